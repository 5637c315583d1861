"""Edits of what a stage asks of files without opening them: whether one is there, how large."""

from __future__ import annotations

from cases import move


def _appears(name: str, helper: str, text: str = "1") -> None:
    """Add a case in which ``extra.txt`` comes to be there."""
    body = f"""
import os
from pathlib import Path

def look():
    {helper}

@stage
def work(x):
    return look()
"""
    move(name, body, body, after={"extra.txt": text}, reruns=("work",))


_appears("file looked for by os.path.exists", "return os.path.exists('extra.txt')")
_appears("file looked for by os.path.isfile", "return os.path.isfile('extra.txt')")
_appears(
    "file read if it is there",
    "return Path('extra.txt').read_text() if Path('extra.txt').exists() else None",
)
_appears(
    "first file of those that are there",
    "return next(p.name for p in map(Path, ['extra.txt', 'main.py']) if p.is_file())",
)
_SIZE = """
import os
from pathlib import Path

@stage
def work(x):
    return os.path.getsize("data.txt"), Path("data.txt").stat().st_size
"""
move(
    "size of a file",
    _SIZE,
    _SIZE,
    before={"data.txt": "1"},
    after={"data.txt": "12"},
    reruns=("work",),
)
_MAKES = """
import os
from pathlib import Path

@stage
def work(x):
    folder = Path("scratch")
    if not folder.exists():
        folder.mkdir()
    os.makedirs("scratch/deeper", exist_ok=True)
    {comment}
    return x
"""
move(
    "comment in a stage that makes its folder",
    _MAKES.format(comment=""),
    _MAKES.format(comment="# so"),
)

_LISTS = """
import os

@stage
def work(x):
    return sorted(entry.stat().st_size for entry in os.scandir("data"))
"""
move(
    "sizes of what scandir gives",
    _LISTS,
    _LISTS,
    before={"data/a.txt": "1"},
    after={"data/a.txt": "12"},
    reruns=("work",),
)
_FINDS = """
from stagecache import File

@stage
def find(x):
    return File("data.txt")

@stage
def work(path: File):
    return path.read_text()
"""
move(
    "file that a body finds and returns unread",
    _FINDS,
    _FINDS,
    before={"data.txt": "1"},
    after={"data.txt": "12"},
    call="work(find(3))",
    reruns=("find", "work"),
)
