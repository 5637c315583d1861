"""Edits of what a stage is given that a body calls: its files, and what its probe answers."""

from __future__ import annotations

from cases import keep, rerun

_NESTED = """
from pathlib import Path
from stagecache import File, pipeline

@stage
def read(path: File):
    return Path(path).read_text()

@stage
def names(paths: list[File]):
    return [Path(path).read_text() for path in paths]

@stage
def folder(path: File):
    return sorted(p.read_text() for p in Path(path).iterdir())

@pipeline
def both(path):
    return read(path), names([path])

@stage
def made(x):
    Path("made.txt").write_text(str(x))
    return File("made.txt")

@stage
def work(x):
    return {call}
"""
_CALLS = {
    "a file": ("read(File('data.txt'))", ("read", "work")),
    "a path": ("read('data.txt')", ("read", "work")),
    "a file in a list": ("names([File('data.txt')])", ("names", "work")),
    "each of several files": ("read.map(File.glob('*.txt'))", ("read", "work")),
    "a file, as a pipeline": ("both(File('data.txt'))", ("names", "read", "work")),
    "a folder": ("folder(File('data'))", ("folder", "work")),
}
for _name, (_call, _reruns) in _CALLS.items():
    rerun(
        f"{_name} that a body gives to a stage",
        "1",
        "2",
        _NESTED.replace("{call}", _call),
        reruns=_reruns,
        files={"data.txt": "$edit", "data/in.txt": "$edit"},
    )
rerun(
    "a file that a body of a body gives to a stage",
    "1",
    "2",
    _NESTED.replace("{call}", "read('data.txt')")
    + """
@stage
def outer(x):
    return work(x)
""",
    call="outer(3)",
    reruns=("outer", "read", "work"),
    files={"data.txt": "$edit"},
)
keep(
    "comment beside a file that stages of a body make and get",
    "# one",
    "# two",
    _NESTED.replace("{call}", "read(made(x))  $edit"),
)
_PROBED = """
import os
from pathlib import Path

os.environ["SITE_Z"] = $edit

def version(source):
    return os.environ["SITE_" + source]

@stage(depends=version, reads="ignore")
def load(source):
    return os.environ["SITE_" + source]

@stage
def work(x):
    return load("Z"), x
"""
rerun("answer of the probe of a stage that a body calls", "'a'", "'b'", _PROBED,
      reruns=("load", "work"))  # fmt: skip
keep("text beside a probe of a stage that a body calls", "'a'  # one", "'a'  # two", _PROBED)
