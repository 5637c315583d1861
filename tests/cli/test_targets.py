"""``FILE_OR_MODULE:NAME`` finds the pipeline or stage, or says what is nearest."""

from __future__ import annotations

import sys

import pytest

from stagecache.cli.targets import as_pipeline, load_target
from stagecache.errors import UnknownNameError

SOURCE = """
from stagecache import pipeline, stage
from steps_beside import LIMIT

@stage
def clean(x: int) -> int:
    return x + LIMIT

@pipeline
def nightly(x: int) -> int:
    return clean(x)

class Jobs:
    inner = nightly

other = 3
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    before = set(sys.modules)
    (tmp_path / "etl_here.py").write_text(SOURCE)
    (tmp_path / "steps_beside.py").write_text("LIMIT = 1\n")
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def test_a_file_is_a_module_of_its_own_that_imports_what_lies_beside_it(folder):
    found = load_target(f"{folder}/etl_here.py:nightly")
    assert found.name == "nightly"
    assert found.__module__ == "etl_here"
    assert sys.modules["etl_here"].nightly is found
    assert sys.path[0] == str(folder)


def test_a_file_is_loaded_once(folder):
    assert load_target("etl_here.py:nightly") is load_target(f"{folder}/etl_here.py:nightly")


def test_a_module_of_the_working_directory_is_found(folder):
    assert load_target("etl_here:clean").qualified_name == "etl_here:clean"


def test_a_name_may_be_dotted(folder):
    assert load_target("etl_here.py:Jobs.inner").name == "nightly"


@pytest.mark.parametrize("name", ["json.py", "select.py", "a.b.py", "stagecache.py"])
def test_a_file_named_like_another_module_replaces_it_nowhere(folder, name):
    before = sys.modules.get(name[:-3])
    (folder / name).write_text(SOURCE)
    found = load_target(f"{name}:nightly")
    assert sys.modules[found.__module__].nightly is found
    assert sys.modules.get(name[:-3]) is before


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("etl_here.py:nigthly", "no pipeline or stage `nigthly`. Did you mean `nightly`?"),
        ("etl_here.py:zzz", "There are: `clean`, `nightly`."),
        ("etl_here.py:other", "no pipeline or stage `other`"),
        ("etl_hree.py:nightly", "There is no file etl_hree.py. Did you mean `etl_here.py`?"),
        ("no/such/folder/etl.py:nightly", "There is no file"),
        ("no_such_module:nightly", "There is no module no_such_module."),
        ("./etl_here:nightly", "Did you mean `etl_here.py`?"),
        ("etl_here.py", "is not FILE_OR_MODULE:NAME"),
        ("etl_here.py:", "is not FILE_OR_MODULE:NAME"),
    ],
)
def test_what_is_not_there_is_named_with_the_nearest(folder, target, message):
    with pytest.raises(UnknownNameError) as caught:
        load_target(target)
    assert message in str(caught.value)


def test_an_import_that_fails_in_the_file_is_its_own_error(folder):
    (folder / "broken_etl.py").write_text("import no_such_dependency\n")
    with pytest.raises(ModuleNotFoundError, match="no_such_dependency"):
        load_target("broken_etl.py:nightly")
    assert "broken_etl" not in sys.modules
    with pytest.raises(ModuleNotFoundError, match="no_such_dependency"):
        load_target("broken_etl:nightly")


def test_a_stage_makes_a_pipeline_of_one_node(folder):
    pipeline = as_pipeline(load_target("etl_here.py:clean"))
    assert pipeline.name == "clean"
    assert [node._name for node in pipeline.trace(3).nodes] == ["clean"]
