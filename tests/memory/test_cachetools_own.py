"""The test suite of cachetools itself, run against our mappings if a checkout of it is at hand.

``CACHETOOLS_CHECKOUT=/path/to/cachetools pytest tests/memory/test_cachetools_own.py``
``make theirs`` fetches it first.
"""

from __future__ import annotations

import importlib.util
import math
import os
import sys
import unittest
from pathlib import Path

import cachetools
import pytest

from stagecache import memory

CHECKOUT = os.environ.get("CACHETOOLS_CHECKOUT")

OURS = {
    "test_lru": {"LRUCache": memory.LRU},
    "test_lfu": {"LFUCache": memory.LFU},
    "test_fifo": {"FIFOCache": memory.FIFO},
    "test_ttl": {"TTLCache": memory.TTL},
}
"""Test files that name a class of cachetools, and what stands in for it."""


def load(name: str, path: Path) -> object:
    locations = [str(path.parent)] if path.name == "__init__.py" else None
    spec = importlib.util.spec_from_file_location(name, path, submodule_search_locations=locations)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def suite(monkeypatch):
    if not CHECKOUT:
        pytest.skip("CACHETOOLS_CHECKOUT names no cachetools; make theirs")
    before = set(sys.modules)
    yield load("cachetools_tests", Path(CHECKOUT) / "tests" / "__init__.py")
    for name in set(sys.modules) - before:
        if name.startswith("cachetools_tests"):
            del sys.modules[name]


def outcome_of(*cases: type) -> unittest.TestResult:
    result = unittest.TestResult()
    for case in cases:
        unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    return result


@pytest.mark.parametrize("name", OURS)
def test_what_cachetools_asks_of_a_policy_holds(name, suite, monkeypatch):
    for theirs, ours in OURS[name].items():
        monkeypatch.setattr(cachetools, theirs, ours)
    module = load(f"cachetools_tests.{name}", Path(CHECKOUT) / "tests" / f"{name}.py")
    cases = [
        case
        for case in vars(module).values()
        if isinstance(case, type) and issubclass(case, unittest.TestCase)
    ]
    result = outcome_of(*cases)
    assert result.testsRun > 15
    assert result.wasSuccessful(), [text for _, text in result.failures + result.errors]


class AnyRandom(memory.Random):
    pass


class NeverExpires(memory.TTL):
    def __init__(self, maxsize, **kwargs):
        super().__init__(maxsize, math.inf, **kwargs)


class EachItsTime(memory.PerItemTTL):
    pass


@pytest.mark.parametrize("ours", [AnyRandom, NeverExpires, EachItsTime])
def test_what_cachetools_asks_of_any_mapping_holds(ours, suite):
    case = type("Case", (unittest.TestCase, suite.CacheTestMixin), {"Cache": ours})
    result = outcome_of(case)
    assert result.testsRun >= 15
    assert result.wasSuccessful(), [text for _, text in result.failures + result.errors]
