"""What the page on coming from diskcache shows and names is there."""

from __future__ import annotations

import re
from pathlib import Path

import diskcache as theirs

from stagecache.integrations import diskcache as ours

PAGE = (Path(__file__).parents[2] / "docs" / "from-diskcache.md").read_text()


def test_the_example_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    exec(block, {"__name__": "page"})


def test_all_that_diskcache_has_is_there_but_what_django_has():
    assert set(theirs.__all__) - {"DjangoCache"} == set(ours.__all__)


def test_methods_and_arguments_are_those_of_diskcache():
    from inspect import signature

    names = [name for name in ours.__all__ if isinstance(getattr(ours, name), type)]
    for name in names:
        one, other = getattr(theirs, name), getattr(ours, name)
        for method in vars(one):
            if not method.startswith("_") and callable(getattr(one, method)):
                wanted = list(signature(getattr(one, method)).parameters)
                found = list(signature(getattr(other, method)).parameters)
                assert found[: len(wanted)] == wanted, (name, method)
            elif not method.startswith("_"):
                assert hasattr(other, method), method
    for name in ("throttle", "barrier", "memoize_stampede"):
        wanted = list(signature(getattr(theirs, name)).parameters)
        assert list(signature(getattr(ours, name)).parameters) == wanted
