"""Two checkouts of a project that share a cache never get each other's files."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

READERS = {
    "beside the module": "return (Path(__file__).parent / 'rates.txt').read_text()",
    "through the module's specification": "return Path(__spec__.origin).with_name('rates.txt')"
    ".read_text()",
    "the place itself": "return str(Path(__file__).parent / 'rates.txt')",
    "Path.absolute": "return Path('rates.txt').absolute().read_text()",
    "Path.resolve": "return Path('rates.txt').resolve().read_text()",
    "Path.cwd": "return (Path.cwd() / 'rates.txt').read_text()",
    "os.getcwd": "with open(os.path.join(os.getcwd(), 'rates.txt')) as s: return s.read()",
    "os.path.abspath": "with open(os.path.abspath('rates.txt')) as s: return s.read()",
    "a listing": "return [p.name for p in Path('.').resolve().glob('*.txt')]",
    "looked for": "return os.path.exists(os.path.abspath('more.txt'))",
}


def checkout(folder, body, **texts):
    """Make a project and return its stage as it is imported from there."""
    folder.mkdir()
    for name, text in texts.items():
        (folder / f"{name}.txt").write_text(text)
    path = folder / "etl.py"
    path.write_text(
        "import os\nfrom pathlib import Path\nfrom stagecache import stage\n\n"
        f"@stage\ndef work(x):\n    {body}\n"
    )
    spec = importlib.util.spec_from_file_location("etl", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["etl"] = module
    spec.loader.exec_module(module)
    return module.work


@pytest.fixture(autouse=True)
def forget_the_module():
    yield
    sys.modules.pop("etl", None)


@pytest.mark.parametrize("body", READERS.values(), ids=READERS)
def test_another_checkout_reads_its_own_files(cache, tmp_path, monkeypatch, body):
    one = checkout(tmp_path / "one", body, rates="1")
    monkeypatch.chdir(tmp_path / "one")
    first = one(1)
    assert one.is_cached(1)
    other = checkout(tmp_path / "other", body, rates="2", more="3")
    monkeypatch.chdir(tmp_path / "other")
    assert other(1) == other.fn(1) != first
    assert other.is_cached(1)
    monkeypatch.chdir(tmp_path / "one")
    assert one.is_cached(1)


@pytest.mark.parametrize("name", ["Path.absolute", "Path.cwd", "os.path.abspath", "a listing"])
def test_a_file_of_an_absolute_path_is_looked_at_itself(cache, tmp_path, monkeypatch, name):
    body = READERS[name]
    one = checkout(tmp_path / "one", body, rates="1")
    checkout(tmp_path / "other", body, rates="1")
    monkeypatch.chdir(tmp_path / "one")
    one(1)
    monkeypatch.chdir(tmp_path / "other")
    (tmp_path / "one" / "rates.txt").rename(tmp_path / "one" / "rates-2024.txt")
    assert not one.is_cached(1), "it may have been meant by its absolute path"


def test_a_stage_that_knows_no_place_has_its_results_in_every_checkout(
    cache, tmp_path, monkeypatch
):
    body = "return Path('rates.txt').read_text() + __name__[:0]"
    monkeypatch.chdir(tmp_path)
    for name in ("one", "other"):
        work = checkout(tmp_path / name, body, rates="1")
        monkeypatch.chdir(tmp_path / name)
        assert work.is_cached(1) == (name == "other")
        assert work(1) == Path("rates.txt").read_text()
