"""What explain is told, and how results name code."""

import linecache
import subprocess
import sys
from pathlib import Path

import pytest

from stagecache.errors import FingerprintError
from stagecache.fingerprint.code import (
    complete,
    describe_code,
    fingerprint_code,
    fingerprint_references,
    reference_name,
    resolve_reference,
)
from stagecache.fingerprint.values import fingerprint
from stagecache.model import CodeManifest

SOURCE = """\
import os
import pandas as pd

LIMIT = 10
MEMO = {}

class Parser:
    level = 3

    def parse(self, x):
        return x + LIMIT

def helper(x, step=2):
    MEMO[x] = os.environ["ZQ_A"]
    return Parser().parse(x)

def stage(x):
    return pd.Series([helper(x), unknown, __import__(str(x))])
"""


def load(source=SOURCE, file="zq_manifest.py"):
    namespace = {"__name__": "zq_manifest"}
    linecache.cache[file] = len(source), None, source.splitlines(keepends=True), file
    exec(compile(source, file, "exec"), namespace)
    return namespace


@pytest.fixture
def manifest(monkeypatch) -> CodeManifest:
    monkeypatch.setenv("ZQ_A", "north")
    return describe_code(load()["stage"])


def parts(manifest):
    return {part.name: part for part in manifest.parts}


def test_a_manifest_names_every_part(manifest):
    assert [(part.name, part.kind) for part in manifest.parts] == [
        ("stage", "function"),
        ("pandas", "package"),
        ("helper", "function"),
        ("ZQ_A", "environment"),
        ("helper(step=)", "value"),
        ("Parser", "class"),
        ("Parser.level", "value"),
        ("Parser.parse", "function"),
        ("LIMIT", "value"),
        ("python", "version"),
    ]


def test_a_manifest_has_the_fingerprint(manifest, monkeypatch):
    assert describe_code(load()["stage"]).digest == manifest.digest
    assert fingerprint_code(load()["stage"]) == manifest.digest


def test_a_manifest_lists_what_is_unresolved_and_what_does_not_count(manifest):
    assert set(manifest.unresolved) == {"unknown", "__import__()"}
    assert manifest.uncounted == ("MEMO",)


def test_what_a_method_fills_is_named_without_the_method():
    names = {"__name__": "zq_calls"}
    exec("CALLS = []\ndef stage(x):\n    CALLS.append(x)\n    return len(CALLS)", names)
    assert describe_code(names["stage"]).uncounted == ("CALLS",)


def test_a_manifest_shows_sources_and_values(manifest):
    found = parts(manifest)
    assert found["helper"].text.startswith("def helper(x, step=2):\n    MEMO[x]")
    assert found["LIMIT"].text == "10"
    assert found["ZQ_A"].text == "north"
    assert found["python"].text == "{}.{}".format(*sys.version_info)


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ("x + LIMIT", "x - LIMIT", {"Parser.parse"}),
        ("LIMIT = 10", "LIMIT = 11", {"LIMIT"}),
        ("step=2", "step=3", {"helper(step=)"}),
        ("level = 3", "level = 4", {"Parser.level"}),
        ("[helper(x), ", "[helper(x), 1, ", {"stage"}),
    ],
)
def test_only_the_part_that_was_edited_has_another_digest(manifest, old, new, changed):
    after = parts(describe_code(load(SOURCE.replace(old, new))["stage"]))
    before = parts(manifest)
    assert before.keys() == after.keys()
    assert {name for name in before if before[name].digest != after[name].digest} == changed


def test_text_that_is_newer_than_the_code_that_runs_is_not_shown(monkeypatch):
    monkeypatch.setenv("ZQ_A", "north")
    stage = load()["stage"]
    load(SOURCE.replace("Parser().parse(x)", "Parser().parse(x + 1)"))
    found = parts(describe_code(stage))
    assert "x + 1" not in found["helper"].text
    assert found["stage"].text.startswith("def stage")


def test_code_without_a_source_is_described_all_the_same():
    namespace = {"__name__": "zq_manifest"}
    exec("def stage(): return 1", namespace)
    assert [part.text for part in describe_code(namespace["stage"]).parts][:-1] == [""]


def test_parts_of_one_name_are_told_apart():
    namespace = load("def make(k):\n    return lambda: k\nf, g = make(1), make(2)\n"
                     "def stage(): return f, g", "zq_twice.py")  # fmt: skip
    names = [part.name for part in describe_code(namespace["stage"]).parts]
    assert len(names) == len(set(names))


def test_editing_a_package_version_is_one_part(manifest):
    assert parts(manifest)["pandas"].text.count(".") >= 1


# References ---------------------------------------------------------------------------------------


def test_a_value_without_references_is_complete_as_it_is():
    found = fingerprint([1, 2])
    assert complete(found) == found.digest


def test_the_code_of_an_instances_class_completes_its_fingerprint():
    source = "class C:\n    def m(self): return {}\nc = C()"
    one, same, other = (fingerprint(load(source.format(k))["c"]) for k in (1, 1, 2))
    assert one.digest == other.digest
    assert complete(one) == complete(same)
    assert complete(one) != complete(other)


def test_an_edit_of_a_class_is_noticed_while_it_lives():
    cls = load("class C:\n    def m(self): return 1")["C"]
    found = fingerprint(cls())
    before = complete(found)
    cls.m = lambda self: 2
    assert complete(found) != before


def test_defaults_of_functions_count_when_they_are_values():
    one, other = (load(f"def f(a={k}): return a")["f"] for k in (1, 2))
    assert fingerprint_references((one,)) != fingerprint_references((other,))
    assert fingerprint_code(one) == fingerprint_code(other)


def test_the_order_of_references_counts():
    user = load("def f(): return 1\ndef g(): return 2")
    f, g = user["f"], user["g"]
    assert fingerprint_references((f, g)) != fingerprint_references((g, f))
    assert fingerprint_references((f, g)) == fingerprint_references((f, g))


@pytest.mark.parametrize("obj", [Path, Path.exists, CodeManifest, load])
def test_a_reference_is_found_again_by_its_name(obj):
    assert resolve_reference(reference_name(obj)) is obj


@pytest.mark.parametrize(
    "name", ["nowhere.at.all:C", "json:Gone", "json:JSONDecoder.gone", "json", "", ":", "json:"]
)
def test_a_reference_that_is_gone_is_an_error(name):
    with pytest.raises(FingerprintError, match="cannot be found"):
        resolve_reference(name)


def test_a_local_class_is_not_found_by_its_name():
    class Local:
        pass

    with pytest.raises(FingerprintError):
        resolve_reference(reference_name(Local))


def test_a_reference_imports_its_module(tmp_path):
    (tmp_path / "zq_refs.py").write_text("class C: pass\n")
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from stagecache.fingerprint.code import resolve_reference\n"
        "assert 'zq_refs' not in sys.modules\n"
        "print(resolve_reference('zq_refs:C').__name__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert done.stdout == "C\n"
