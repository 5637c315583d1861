"""Of which attributes it makes no difference whether a method has filled them."""

from __future__ import annotations

import ast

import pytest

from stagecache.fingerprint.code.guards import Method
from stagecache.fingerprint.code.lazy import lazy_in

WANTED = frozenset({"_m", "_n", "_o"})
NO_DIFFERENCE = [
    "def f(self): self._m = self._m or load(self.p); return self._m",
    "def f(self):\n if not hasattr(self, '_m'): self._m = 1\n return self._m",
    "def f(self):\n try: return self._m\n except AttributeError: self._m = 1\n return self._m",
    "def f(self, x):\n m = self._m\n if m is None: m = self._m = load(self.p)\n return m.of(x)",
    "def f(self):\n if (m := self._m) is None: m = self._m = load(self.p)\n return m",
    "def f(self):\n if self._m is not None: return self._m\n p = self.p / 'x'\n"
    " self._m = load(p)\n return self._m",
    "def f(self, x):\n with self.lock:\n  if self._m is None: self._m = load(self.p)\n"
    " return self._m.of(x)",
    "def f(self, x):\n if self._m is None:\n  with self.lock:\n"
    "   if self._m is None: self._m = load(self.p)\n return self._m.of(x)",
    "def f(self):\n if getattr(self, '_m', None) is None: self._m = load(self.p)\n return self._m",
    "def f(self, k):\n if k not in self._m: self._m[k] = work(self.p, k)\n return self._m[k]",
    "def f(self, k, j):\n key = (k, j)\n if key not in self._m: self._m[key] = work(k, j)\n"
    " return self._m[key]",
    "def f(self, k):\n try: return self._m[k]\n except KeyError: pass\n self._m[k] = work(k)\n"
    " return self._m[k]",
    "def f(self):\n if self._m: return\n self._n, self._o = load(self.p)\n self._m = True",
    "def f(self):\n import a\n if self._m is None: self._m = a.load(self.p)\n return self._m",
    "def f(self):\n if self._m is None: self._m = [g(x) for x in self.p if x]\n return self._m",
    "def f(self):\n if self._m is None: self._m = load()\n return self._m[0][self.p]",
    "def f(self): self._m = None",
]
A_DIFFERENCE = [
    # The first who asks decides.
    "def f(self, x):\n if self._m is None: self._m = load(x)\n return self._m",
    "def f(self, x):\n y = x + 1\n if self._m is None: self._m = load(y)\n return self._m",
    "def f(self, x):\n if self._m is None: self._m = self.g(x)\n return self._m",
    "def f(self, **kw):\n if self._m is None: self._m = g(**kw)\n return self._m",
    "def f(self, x):\n def g(): return x\n if self._m is None: self._m = g()\n return self._m",
    "def f(self, x):\n for i in x:\n  if self._m is None: self._m = g(i)\n return self._m",
    "def f(self, k, x):\n if k not in self._m: self._m[k] = work(x)\n return self._m[k]",
    # Whether it was filled can be told.
    "def f(self): return self._m is None",
    "def f(self): return self._m or 3",
    "def f(self): return dict(self._m)",
    "def f(self):\n new = False\n if self._m is None:\n  self._m = 1\n  new = True\n return new",
    "def f(self):\n if self._m is None:\n  self._m = 1\n  return 'new'\n return 'old'",
    "def f(self):\n if self._m is not None: return False\n self._m = 1\n return True",
    "def f(self):\n if self._m is None: raise ValueError\n return self._m",
    "def f(self):\n m = self._m\n if m is None: self._m = load()\n return m",
    "def f(self):\n try: return self._m\n except AttributeError: return 5",
    "def f(self):\n if self._m is None and flag: self._m = 1\n return self._m",
    "def f(self, k):\n if k not in self._m: self._m[k] = work(k)\n return len(self._m)",
    "def f(self, k):\n if k not in self._m: self._m[k] = work(k)\n k += 1\n return self._m[k]",
    "def f(self, other): return other._m",
    "def f(self):\n if self._m is None:\n  self._m = 1\n  if self.p: self._n = 2\n return self._n",
    # It is changed after it was filled, or without being empty.
    "def f(self): self._m += 1",
    "def f(self): self._m = (self._m or 0) + 1; return self._m",
    "def f(self, x): self._m = x",
    "def f(self, x):\n for self._m in x: pass",
    "def f(self, x):\n if self._m is None: self._m = []\n self._m.append(x)\n return len(self._m)",
    "def f(self, x):\n if self._m is None: self._m = {}\n self._m[x] = 1\n return len(self._m)",
    "def f(self):\n if self._m is None: yield 1; self._m = 2",
]


def read(text):
    return Method(ast.parse(text).body[0], "C", WANTED, {})


@pytest.mark.parametrize("text", NO_DIFFERENCE)
def test_filling_what_is_empty_makes_no_difference(text):
    assert not read(text).wrong


@pytest.mark.parametrize("text", A_DIFFERENCE)
def test_what_can_be_told_makes_a_difference(text):
    assert not {"_m", "_n"}.isdisjoint(read(text).wrong)


class Table:
    def __init__(self, path):
        self.path = path
        self._rows = self._sums = None

    def load(self):
        if self._rows is None:
            self._rows = [self.path]

    def first(self):
        self.load()
        return self._rows[0]

    @property
    def sums(self):
        if self._sums is None:
            self._sums = 5
        return self._sums

    def loads(self):
        if self.loaded:
            return
        self._all = [self.path]
        self.loaded = True

    def all(self):
        self.loads()
        return self._all

    def is_summed(self):
        return self._sums is not None


class Told(Table):
    def show(self):
        return vars(self)


class Generated(Table):
    exec("def other(self): return self._rows")


def test_all_methods_of_a_class_are_looked_at():
    found = lazy_in(Table)
    assert found.names == {"_rows", "loaded", "_all"}
    assert found.fillers == (Table.load, Table.loads)
    assert Table.first.__code__ in found.codes
    assert not lazy_in(Told).names, "it shows all attributes"
    assert "_rows" not in lazy_in(Generated).names, "it has a method without a text"
    assert not lazy_in(int).names
