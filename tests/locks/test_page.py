"""What the page on locks shows is what happens."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = (Path(__file__).parents[2] / "docs" / "locks.md").read_text()


def test_the_examples_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    blocks = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    assert len(blocks) == 1
    exec(blocks[0], names)
    assert names["rebuild"]() is None
    assert names["ask"](1) is None
    names["cache"].close()


def test_the_methods_that_it_names_are_there():
    from stagecache.locks.lock import Lock

    table = PAGE.partition("what it does |")[2].partition("\n\n")[0]
    for name in set(re.findall(r"`(\w+)[(`]", table)) - {"with"}:
        assert callable(getattr(Lock, name))
