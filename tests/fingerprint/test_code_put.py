"""What the user puts onto modules and classes of libraries counts, what they have does not."""

import fractions
import math
import os.path
import string
import subprocess
import sys
import tempfile

import pytest

from stagecache.fingerprint.code import describe_code, fingerprint_code


def define(source, **names):
    """Run `source` as a user's module and return its namespace."""
    namespace = {"__name__": "zq_user", "__builtins__": __builtins__, **names}
    exec(compile(source, "zq_user.py", "exec"), namespace)
    return namespace


@pytest.mark.parametrize(
    ("holder", "text"),
    [
        (string, "string.limit"),
        (math, "math.limit"),
        (os.path, "os.path.limit"),
        (fractions.Fraction, "fractions.Fraction.limit"),
    ],
)
@pytest.mark.parametrize("values", [(5, 6), (5, 5.0), ("a", "b"), ((1, "a"), (1, "b"))])
def test_data_that_is_put_onto_a_library_counts(monkeypatch, holder, text, values):
    stage = define(f"import {text.split('.')[0]}, os.path\ndef stage(): return {text}")["stage"]
    seen = {fingerprint_code(stage)}
    for value in values:
        monkeypatch.setattr(holder, "limit", value, raising=False)
        seen.add(fingerprint_code(stage))
    assert len(seen) == 3
    monkeypatch.setattr(holder, "limit", values[0])
    assert fingerprint_code(stage) in seen
    assert text in [part.name for part in describe_code(stage).parts]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("import string\n", "def stage(): return string.limits"),
        ("", "def stage():\n    import string\n    return string.limits"),
        ("import string as s\n", "def stage():\n    t = s\n    return t.limits"),
        ("import string\nfrom math import floor\n", "def stage(): return floor(string.limits[0])"),
    ],
)
def test_a_container_that_is_put_there_is_fingerprinted_at_each_call(monkeypatch, before, after):
    limits = [1]
    monkeypatch.setattr(string, "limits", limits, raising=False)
    stage = define(before + after)["stage"]
    first = fingerprint_code(stage)
    assert fingerprint_code(stage) == first
    limits.append(2)
    assert fingerprint_code(stage) != first


@pytest.mark.parametrize(
    ("module", "name", "value"),
    [(string, "digits", "01"), (math, "pi", 3.0), (os.path, "sep", ":"), (os.path, "curdir", "_")],
)
def test_a_constant_of_a_library_that_is_overwritten_counts(monkeypatch, module, name, value):
    stage = define(f"def stage(): return m.{name}", m=module)["stage"]
    first = fingerprint_code(stage)
    monkeypatch.setattr(module, name, value)
    assert fingerprint_code(stage) != first
    monkeypatch.undo()
    assert fingerprint_code(stage) == first


def test_a_function_that_is_put_there_later_in_the_process_counts(monkeypatch):
    stage = define("import math\ndef stage(x): return math.sqrt(x)")["stage"]
    first = fingerprint_code(stage)
    monkeypatch.setattr(math, "sqrt", lambda x: x)
    assert fingerprint_code(stage) != first


@pytest.mark.parametrize("value", [1, [1]])
def test_what_a_stage_itself_puts_there_does_not_count(value):
    source = (
        f"import string\ndef helper(): return string.zq_calls\n"
        f"def stage():\n    string.zq_calls = {value}\n    return helper()"
    )
    stage = define(source)["stage"]
    first = fingerprint_code(stage)
    try:
        assert stage() == value
        assert fingerprint_code(stage) == first
        assert fingerprint_code(define(source)["stage"]) == first
    finally:
        del string.zq_calls


def test_what_a_library_itself_sets_does_not_count(monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", None)
    stage = define("import tempfile\ndef stage(): return tempfile.tempdir")["stage"]
    first = fingerprint_code(stage)
    tempfile.gettempdir()
    assert tempfile.tempdir is not None
    assert fingerprint_code(stage) == first


@pytest.mark.parametrize("fact", ["executable", "flags", "path", "ps1", "prefix"])
def test_facts_of_the_process_do_not_count(monkeypatch, fact):
    stage = define(f"import sys\ndef stage(): return sys.{fact}")["stage"]
    first = fingerprint_code(stage)
    monkeypatch.setattr(sys, fact, "another", raising=False)
    assert fingerprint_code(stage) == first


def test_who_imports_a_library_first_makes_no_difference():
    program = (
        "from stagecache.fingerprint.code import fingerprint_code\n"
        "import xml, os\n"
        "def stage():\n"
        "    import colorsys, cmath, tabnanny, wave\n"
        "    os.name, os.path.sep, xml.dom.EMPTY_NAMESPACE\n"
        "    return colorsys.ONE_THIRD, cmath.pi, tabnanny.verbose, wave.WAVE_FORMAT_PCM\n"
        "before = fingerprint_code(stage)\n"
        "import xml.dom\n"
        "stage()\n"
        "def again(): pass\n"
        "again.__code__ = stage.__code__\n"
        "print(before == fingerprint_code(stage) == fingerprint_code(again))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "True\n"
