"""What code asks for by a name that it works out is noted when it runs: variables, modules."""

from __future__ import annotations

import contextlib
import importlib
import os
import posixpath
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from stagecache.fingerprint.reads import Recorder, asking, recording
from stagecache.fingerprint.reads.check import MISSING, digest_now, first_changed

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Callable

NAME = "_".join(("ZQ", "NAMED"))


@pytest.fixture(autouse=True)
def here(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv(NAME, "a")


def seen(body: Callable[[], Any], counted: frozenset[str] = frozenset()) -> Recorder:
    recorder = Recorder(counted=counted)
    with recording(recorder):
        body()
    assert recorder.changed() == ()
    return recorder


def noted(body: Callable[[], Any]) -> list[tuple[str, str]]:
    return [read[:2] for read in seen(body).reads()]


@pytest.mark.parametrize(
    "ask",
    [
        lambda: os.environ[NAME],
        lambda: os.environ.get(NAME),
        lambda: os.getenv(NAME, "none"),
        lambda: NAME in os.environ,
        lambda: posixpath.expandvars(f"${NAME}/x"),
        lambda: os.environ.setdefault(NAME, "b"),
    ],
)
def test_a_variable_that_is_asked_for_is_noted(ask: Callable[[], Any]) -> None:
    assert noted(ask) == [("environment", NAME)]


def test_a_variable_that_is_not_set_is_an_input_too() -> None:
    (read,) = seen(lambda: os.environ.get(f"{NAME}_UNSET")).reads()
    assert read.digest == MISSING
    assert first_changed([read]) is None


def test_another_value_is_a_change_and_going_back_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    reads = seen(lambda: os.environ[NAME]).reads()
    monkeypatch.setenv(NAME, "b")
    assert first_changed(reads) == reads[0]
    monkeypatch.setenv(NAME, "a")
    assert first_changed(reads) is None


def test_who_looks_through_all_variables_depends_on_their_names_and_on_those_it_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def body() -> Any:
        return [os.environ[name] for name in os.environ if name.startswith("ZQ_")]

    reads = seen(body).reads()
    assert [read.name for read in reads] == ["*", NAME]
    monkeypatch.setenv("OLDPWD", "/somewhere/else")
    monkeypatch.setenv("SSH_CONNECTION", "1")
    assert first_changed(reads) is None, "where somebody works is no input"
    monkeypatch.setenv("ZQ_OTHER", "1")
    assert first_changed(reads) == reads[0]


def test_who_copies_all_variables_depends_on_each_but_those_of_a_shell(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("EDITOR", "vi")
    recorder = seen(lambda: {**os.environ, "Y": "1"})
    names = {read.name for read in recorder.reads()}
    assert {"*", NAME} <= names
    assert names.isdisjoint({"EDITOR", "PATH", "HOME"})


def test_a_variable_of_a_shell_counts_where_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDITOR", "vi")
    for names in (lambda name: name == "EDITOR", None):
        recorder = Recorder(names=names)
        with recording(recorder):
            dict(os.environ)
        named = {read.name for read in recorder.reads()}
        assert ("EDITOR" in named) is (names is not None)
    name = "".join(("EDI", "TOR"))
    assert noted(lambda: os.environ[name]) == [("environment", "EDITOR")]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["sh", "-c", f"true ${NAME}"], [NAME]),
        (["sh", "-c", f"true ${{{NAME}:-none}} $1"], [NAME]),
        (["sh", "-c", "true"], []),
        (["true", f"${NAME}"], []),
        ([sys.executable, "-c", f"import os; os.environ['{NAME}']"], [NAME]),
    ],
)
def test_a_program_is_told_the_variables_that_its_text_names(
    words: list[str], expected: list[str]
) -> None:
    assert [
        read.name
        for read in seen(lambda: subprocess.run(words, check=True)).reads()
        if read.kind == "environment"
    ] == expected


def test_what_a_program_is_given_by_the_body_is_no_read() -> None:
    def body() -> None:
        subprocess.run(["sh", "-c", f"true ${NAME}"], check=True, env={NAME: "of its own"})

    assert noted(body) == []


def test_what_a_body_sets_itself_is_no_read() -> None:
    def body() -> None:
        os.environ[f"{NAME}_OWN"] = "1"
        assert os.environ[f"{NAME}_OWN"] == "1"
        del os.environ[f"{NAME}_OWN"]

    assert noted(body) == []


def test_what_python_reads_for_itself_is_no_read() -> None:
    assert noted(lambda: subprocess.run([sys.executable, "-c", ""], check=True)) == []


def test_what_the_key_holds_is_not_noted_again() -> None:
    assert seen(lambda: os.environ[NAME], counted=frozenset({NAME})).reads() == ()


def test_what_a_library_asks_for_itself_is_looked_for_in_its_arguments_only_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked = []
    inside = asking.things_in
    monkeypatch.setattr(asking, "things_in", lambda values: looked.append(1) or inside(values))
    library: dict[str, Any] = {"__name__": "json.zq", "os": os}
    exec(f"def width(given):\n    return os.environ.get('{NAME}')", library)

    def body() -> None:
        for number in range(5):
            library["width"]({"rows": [number]})

    assert noted(body) == []
    assert looked == [1]
    assert noted(lambda: library["width"]({"rows": [NAME]})) == [("environment", NAME)]


def test_a_thread_of_the_body_reads_for_it() -> None:
    def body() -> None:
        thread = threading.Thread(target=lambda: os.environ[NAME])
        thread.start()
        thread.join()

    assert noted(body) == [("environment", NAME)]


def test_nothing_is_noted_while_nobody_listens() -> None:
    recorder = seen(lambda: None)
    assert os.environ[NAME] == "a"
    assert recorder.reads() == ()


def test_a_module_that_is_imported_by_a_computed_name_is_noted(tmp_path: pathlib.Path) -> None:
    (tmp_path / "zq_plugin.py").write_text("LIMIT = 5\ndef run(x):\n    return x + LIMIT\n")
    (read,) = seen(lambda: importlib.import_module("zq_" + "plugin")).reads()
    assert read[:2] == ("module", "zq_plugin")
    assert digest_now(read) == read.digest
    sys.modules["zq_plugin"].__dict__["LIMIT"] = 6
    assert digest_now(read) != read.digest
    del sys.modules["zq_plugin"]
    assert digest_now(read) == read.digest, "imported anew if need be"
    del sys.modules["zq_plugin"]
    (tmp_path / "zq_plugin.py").unlink()
    importlib.invalidate_caches()
    assert digest_now(read) != read.digest


def test_modules_of_python_are_not_noted_those_of_packages_for_their_version() -> None:
    assert noted(lambda: importlib.import_module("color" + "sys")) == []
    assert noted(lambda: importlib.import_module("xx" + "hash")) == [("module", "xxhash")]


def test_a_module_that_is_not_there_is_an_input_too() -> None:
    def look() -> None:
        with contextlib.suppress(ImportError):
            importlib.import_module("no_such" + "_module")

    assert noted(look) == [("module", "no_such_module")]
