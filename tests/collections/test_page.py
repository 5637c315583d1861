"""What the page on collections shows is what happens."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = (Path(__file__).parents[2] / "docs" / "collections.md").read_text()


def test_the_examples_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    blocks = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    assert len(blocks) == 7
    for block in blocks:
        exec(block, names)
    names["cache"].close()


def test_the_methods_that_it_names_are_there():
    from stagecache.collections import Deque, Index, Queue

    table = PAGE.partition("And besides:")[2].partition("\n\n**Keys**")[0]
    for name in re.findall(r"`(\w+)[(`]", table):
        assert callable(getattr(Index, name))
    deques = PAGE.partition("All that a `collections.deque` has")[2].partition("\n\n- ")[0]
    for name in re.findall(r"`(\w+)[(`]", deques):
        assert hasattr(Deque, name)
    queues = PAGE.partition("The face of a `queue.Queue`")[2].partition("\n\n**")[0]
    for name in re.findall(r"`(\w+)`", queues):
        assert callable(getattr(Queue, name))
