"""More edits: language constructs, patterns of larger programs, and lazily filled state."""

from __future__ import annotations

from cases import keep, rerun

# --- what must rerun

rerun(
    "abstract base in lib",
    "x + 1",
    "x + 2",
    """
    from lib import Base

    class Impl(Base):
        def go(self, x):
            return super().go(x)

    @stage
    def work(x):
        return Impl().go(x)
""",
    edited="lib.py",
    lib="""
    class Base:
        def go(self, x):
            return $edit
""",
)
rerun(
    "mixin via MRO in 2 modules",
    "x + 1",
    "x + 2",
    """
    from lib import Mixin

    class A(Mixin, dict):
        pass

    @stage
    def work(x):
        return A().step(x)
""",
    edited="lib.py",
    lib="""
    class Mixin:
        def step(self, x):
            return $edit
""",
)
rerun(
    "metaclass",
    "cls.k + 1",
    "cls.k + 2",
    """
    class Meta(type):
        def val(cls):
            return $edit

    class A(metaclass=Meta):
        k = 1

    @stage
    def work(x):
        return A.val() + x
""",
)
rerun(
    "class decorator",
    "7",
    "8",
    """
    def deco(cls):
        cls.extra = $edit
        return cls

    @deco
    class A:
        pass

    @stage
    def work(x):
        return A.extra + x
""",
)
rerun(
    "contextmanager helper",
    "x + 1",
    "x + 2",
    """
    from contextlib import contextmanager

    @contextmanager
    def ctx(x):
        yield $edit

    @stage
    def work(x):
        with ctx(x) as y:
            return y
""",
)
rerun(
    "generator helper",
    "i + 1",
    "i + 2",
    """
    def gen(x):
        for i in range(x):
            yield $edit

    @stage
    def work(x):
        return list(gen(x))
""",
)
rerun(
    "async helper",
    "x + 1",
    "x + 2",
    """
    import asyncio

    async def go(x):
        return $edit

    @stage
    def work(x):
        return asyncio.run(go(x))
""",
)
rerun(
    "namedtuple default",
    "5",
    "6",
    """
    from typing import NamedTuple

    class P(NamedTuple):
        a: int
        b: int = $edit

    @stage
    def work(x):
        return tuple(P(x))
""",
)
rerun(
    "enum method",
    "self.value + 1",
    "self.value + 2",
    """
    import enum

    class E(enum.Enum):
        A = 1

        def go(self):
            return $edit

    @stage
    def work(x):
        return E.A.go()
""",
)
rerun(
    "enum as argument with method",
    "self.value + 1",
    "self.value + 2",
    """
    import enum

    class E(enum.Enum):
        A = 1

        def go(self):
            return $edit

    @stage
    def work(e):
        return e.go()
""",
    call="work(E.A)",
)
rerun(
    "singledispatch impl",
    "x + 1",
    "x + 2",
    """
    from functools import singledispatch

    @singledispatch
    def f(x):
        return 0

    @f.register
    def _(x: int):
        return $edit

    @stage
    def work(x):
        return f(x)
""",
)
rerun(
    "cached_property",
    "self.x + 1",
    "self.x + 2",
    """
    from functools import cached_property

    class A:
        def __init__(self, x):
            self.x = x

        @cached_property
        def y(self):
            return $edit

    @stage
    def work(x):
        return A(x).y
""",
)
rerun(
    "operator attr via getattr const",
    "x + 1",
    "x + 2",
    """
    import lib

    @stage
    def work(x):
        return getattr(lib, "helper")(x)
""",
    edited="lib.py",
    lib="""
    def helper(x):
        return $edit
""",
)
rerun(
    "dispatch dict by name",
    "x + 1",
    "x + 2",
    """
    def a(x):
        return $edit

    def b(x):
        return x

    TABLE = {"a": a, "b": b}

    @stage
    def work(name, x):
        return TABLE[name](x)
""",
    call='work("a", 3)',
)
rerun(
    "nested partial in list in dict",
    "x + k",
    "x - k",
    """
    from functools import partial

    def f(x, k):
        return $edit

    T = {"a": [partial(partial(f), k=2)]}

    @stage
    def work(x):
        return T["a"][0](x)
""",
)
rerun(
    "callable instance global",
    "x * self.k",
    "x + self.k",
    """
    class F:
        def __init__(self, k):
            self.k = k

        def __call__(self, x):
            return $edit

    f = F(5)

    @stage
    def work(x):
        return f(x)
""",
)
rerun(
    "bound method global",
    "x * self.k",
    "x + self.k",
    """
    class F:
        def __init__(self, k):
            self.k = k

        def go(self, x):
            return $edit

    go = F(5).go

    @stage
    def work(x):
        return go(x)
""",
)
rerun(
    "instance state via bound method global",
    "5",
    "6",
    """
    class F:
        def __init__(self, k):
            self.k = k

        def go(self, x):
            return x + self.k

    go = F($edit).go

    @stage
    def work(x):
        return go(x)
""",
)
rerun(
    "slots class state",
    "5",
    "6",
    """
    class F:
        __slots__ = ("k",)

        def __init__(self, k):
            self.k = k

    f = F($edit)

    @stage
    def work(x):
        return x + f.k
""",
)
rerun(
    "init of class",
    "k + 1",
    "k + 2",
    """
    class F:
        def __init__(self, k):
            self.k = $edit

    @stage
    def work(x):
        return F(x).k
""",
)
rerun(
    "new of class",
    "k + 1",
    "k + 2",
    """
    class F(int):
        def __new__(cls, k):
            return super().__new__(cls, $edit)

    @stage
    def work(x):
        return int(F(x))
""",
)
rerun(
    "star import",
    "x + 1",
    "x + 2",
    """
    from lib import *

    @stage
    def work(x):
        return helper(x)
""",
    edited="lib.py",
    lib="""
    def helper(x):
        return $edit
""",
)
rerun(
    "relative import inside package",
    "x + 1",
    "x + 2",
    """
    import package.sub

    @stage
    def work(x):
        return package.sub.run(x)
""",
    edited="package/subtwo.py",
    package____init__="",
    package__sub="""
    from .subtwo import helper

    def run(x):
        return helper(x)
""",
    package__subtwo="""
    def helper(x):
        return $edit
""",
)
rerun(
    "function-local relative import",
    "x + 1",
    "x + 2",
    """
    import package.sub

    @stage
    def work(x):
        return package.sub.run(x)
""",
    edited="package/subtwo.py",
    package____init__="",
    package__sub="""
    def run(x):
        from . import subtwo
        return subtwo.helper(x)
""",
    package__subtwo="""
    def helper(x):
        return $edit
""",
)
rerun(
    "try import fallback",
    "x + 1",
    "x + 2",
    """
    try:
        from nonexistent_zzz import helper
    except ImportError:
        def helper(x):
            return $edit

    @stage
    def work(x):
        return helper(x)
""",
)
rerun(
    "conditional global by env-like constant",
    "True",
    "False",
    """
    FLAG = $edit
    if FLAG:
        def helper(x):
            return x + 1
    else:
        def helper(x):
            return x + 2

    @stage
    def work(x):
        return helper(x)
""",
)
rerun(
    "monkeypatched module attr",
    "x + 1",
    "x + 2",
    """
    import lib

    def other(x):
        return $edit

    lib.helper = other

    @stage
    def work(x):
        return lib.helper(x)
""",
    lib="""
    def helper(x):
        return x
""",
)
rerun(
    "monkeypatched class method",
    "x + 1",
    "x + 2",
    """
    class A:
        def go(self, x):
            return x

    def go(self, x):
        return $edit

    A.go = go

    @stage
    def work(x):
        return A().go(x)
""",
)
rerun(
    "global via globals default factory",
    "5",
    "6",
    """
    from collections import defaultdict
    D = defaultdict(lambda: $edit)

    @stage
    def work(x):
        return dict(D).get("zz", 0) + D.__missing__("q")
""",
)
rerun(
    "dataclass post_init",
    "self.x + 1",
    "self.x + 2",
    """
    from dataclasses import dataclass

    @dataclass
    class A:
        x: int

        def __post_init__(self):
            self.y = $edit

    @stage
    def work(x):
        return A(x).y
""",
)
rerun(
    "property setter",
    "v + 1",
    "v + 2",
    """
    class A:
        @property
        def y(self):
            return self._y

        @y.setter
        def y(self, v):
            self._y = $edit

    @stage
    def work(x):
        a = A()
        a.y = x
        return a.y
""",
)
rerun(
    "nested class",
    "x + 1",
    "x + 2",
    """
    class A:
        class B:
            def go(self, x):
                return $edit

    @stage
    def work(x):
        return A.B().go(x)
""",
)
rerun(
    "helper returning class",
    "x + 1",
    "x + 2",
    """
    def make():
        class C:
            def go(self, x):
                return $edit
        return C

    @stage
    def work(x):
        return make()().go(x)
""",
)
rerun(
    "default arg function",
    "x + 1",
    "x + 2",
    """
    def inner(x):
        return $edit

    def helper(x, f=inner):
        return f(x)

    @stage
    def work(x):
        return helper(x)
""",
)
rerun(
    "stage default function",
    "x + 1",
    "x + 2",
    """
    def inner(x):
        return $edit

    @stage
    def work(x, f=inner):
        return f(x)
""",
)
rerun(
    "type alias dict of classes",
    "self.x + 1",
    "self.x + 2",
    """
    class A:
        def __init__(self, x):
            self.x = x
        def go(self):
            return $edit

    REG = {"a": A}

    @stage
    def work(x):
        return REG["a"](x).go()
""",
)
rerun(
    "registry decorator",
    "x + 1",
    "x + 2",
    """
    REG = {}

    def register(f):
        REG[f.__name__] = f
        return f

    @register
    def a(x):
        return $edit

    @stage
    def work(x):
        return REG["a"](x)
""",
)
rerun(
    "subclass registry through __subclasses__",
    "x + 1",
    "x + 2",
    """
    class Base:
        pass

    class A(Base):
        def go(self, x):
            return $edit

    @stage
    def work(x):
        return [c().go(x) for c in Base.__subclasses__()]
""",
)
rerun(
    "map builtin with helper",
    "x + 1",
    "x + 2",
    """
    def helper(x):
        return $edit

    @stage
    def work(x):
        return list(map(helper, range(x)))
""",
)
rerun(
    "sort key lambda",
    "-v",
    "v",
    """
    @stage
    def work(x):
        return sorted(range(x), key=lambda v: $edit)
""",
)
rerun(
    "pandas apply helper",
    "v + 1",
    "v + 2",
    """
    import pandas as pd

    def f(v):
        return $edit

    @stage
    def work(x):
        return pd.Series(range(x)).apply(f).tolist()
""",
)
rerun(
    "pandas agg dict",
    '"sum"',
    '"max"',
    """
    import pandas as pd
    AGG = {"v": $edit}

    @stage
    def work(x):
        return pd.DataFrame({"k": [1, 1], "v": [1, x]}).groupby("k").agg(AGG)["v"].tolist()
""",
)
rerun(
    "slice constant",
    "1:",
    "2:",
    """
    @stage
    def work(x):
        return list(range(x))[$edit]
""",
)
rerun(
    "big int const",
    "10**20",
    "10**21",
    """
    @stage
    def work(x):
        return x + $edit
""",
)
rerun(
    "bytes vs str",
    "b'a'",
    "'a'",
    """
    @stage
    def work(x):
        return $edit
""",
)
rerun(
    "tuple vs list const",
    "(1, 2)",
    "[1, 2]",
    """
    @stage
    def work(x):
        return $edit
""",
)
rerun(
    "set order const membership",
    "{1, 2}",
    "{1, 3}",
    """
    @stage
    def work(x):
        return x in $edit
""",
)
rerun(
    "nan vs inf",
    "float('nan')",
    "float('inf')",
    """
    LIMIT = $edit

    @stage
    def work(x):
        return str(LIMIT)
""",
)
rerun(
    "complex sign",
    "1j",
    "-1j",
    """
    @stage
    def work(x):
        return $edit
""",
)
rerun(
    "swap positional order",
    "a - b",
    "b - a",
    """
    def helper(a, b):
        return $edit

    @stage
    def work(x):
        return helper(x, 1)
""",
)
rerun(
    "swapped local use",
    "a, b = 1, 2",
    "b, a = 1, 2",
    """
    @stage
    def work(x):
        $edit
        return a - b
""",
)
rerun(
    "nonlocal counter",
    "n + 1",
    "n + 2",
    """
    @stage
    def work(x):
        n = 0
        def inc():
            nonlocal n
            n = $edit
        for _ in range(x):
            inc()
        return n
""",
)
rerun(
    "global statement assigned elsewhere",
    "5",
    "6",
    """
    K = 0

    def setup():
        global K
        K = $edit

    setup()

    @stage
    def work(x):
        return x + K
""",
)
rerun(
    "finally clause",
    "r + 1",
    "r + 2",
    """
    @stage
    def work(x):
        r = x
        try:
            r = r * 2
        finally:
            r = $edit
        return r
""",
)
rerun(
    "while else",
    "0",
    "9",
    """
    @stage
    def work(x):
        while x > 5:
            break
        else:
            return $edit
        return 1
""",
)
rerun(
    "del statement",
    "d['a']",
    "d['b']",
    """
    @stage
    def work(x):
        d = {"a": 1, "b": 2}
        del $edit
        return d
""",
)
rerun(
    "keyword only call",
    "reverse=True",
    "reverse=False",
    """
    @stage
    def work(x):
        return sorted(range(x), $edit)
""",
)
rerun(
    "format spec",
    ">5",
    "<5",
    """
    @stage
    def work(x):
        return f"{x:$edit}"
""",
)
rerun(
    "chained comparison",
    "0 < x < 5",
    "0 < x <= 3",
    """
    @stage
    def work(x):
        return $edit
""",
    call="work(4)",
)
rerun(
    "is vs ==",
    "x is None",
    "x is not None",
    """
    @stage
    def work(x):
        return $edit
""",
)
rerun(
    "aug assign",
    "r += x",
    "r -= x",
    """
    @stage
    def work(x):
        r = 10
        $edit
        return r
""",
)
rerun(
    "json config read at import",
    '{\\"k\\": 1}',
    '{\\"k\\": 2}',
    """
    import json
    import lib

    @stage
    def work(x):
        return lib.CONFIG["k"] + x
""",
    edited="lib.py",
    lib="""
    import json
    CONFIG = json.loads("$edit")
""",
)
rerun(
    "logging excluded but helper in",
    "x + 1",
    "x + 2",
    """
    import logging
    log = logging.getLogger("a")

    def helper(x):
        log.info("x %s", x)
        return $edit

    @stage
    def work(x):
        return helper(x)
""",
)
rerun(
    "threading lock global with helper",
    "x + 1",
    "x + 2",
    """
    import threading
    LOCK = threading.Lock()

    @stage
    def work(x):
        with LOCK:
            return $edit
""",
)
rerun(
    "pathlib constant",
    "'a/b'",
    "'a/c'",
    """
    from pathlib import Path
    P = Path($edit)

    @stage
    def work(x):
        return P.name
""",
)
rerun(
    "datetime constant",
    "2013",
    "2014",
    """
    import datetime as dt
    D = dt.date($edit, 1, 1)

    @stage
    def work(x):
        return D.isoformat()
""",
)
rerun(
    "stage of stage via map",
    "x + 1",
    "x + 2",
    """
    @stage
    def inner(x):
        return $edit

    @stage
    def work(n):
        return inner.map(range(n))
""",
    reruns=("work", "inner", "inner", "inner"),
)
rerun(
    "classmethod factory on argument class",
    "cls(v + 1)",
    "cls(v + 2)",
    """
    class A:
        def __init__(self, v):
            self.v = v

        @classmethod
        def make(cls, v):
            return $edit

    @stage
    def work(k, x):
        return k.make(x).v
""",
    call="work(A, 3)",
)
rerun(
    "ParamSpec decorator from lib",
    "+ 100",
    "+ 200",
    """
    from lib import deco

    @deco
    def helper(x):
        return x

    @stage
    def work(x):
        return helper(x)
""",
    edited="lib.py",
    lib="""
    import functools

    def deco(fn):
        @functools.wraps(fn)
        def w(*a, **k):
            return fn(*a, **k) $edit
        return w
""",
)
rerun(
    "decorator under stage",
    "+ 100",
    "+ 200",
    """
    import functools

    def deco(fn):
        @functools.wraps(fn)
        def w(*a, **k):
            return fn(*a, **k) $edit
        return w

    @stage
    @deco
    def work(x):
        return x
""",
)
rerun(
    "decorated body under stage",
    "x + 1",
    "x + 2",
    """
    import functools

    def deco(fn):
        @functools.wraps(fn)
        def w(*a, **k):
            return fn(*a, **k)
        return w

    @stage
    @deco
    def work(x):
        return $edit
""",
)
# --- what must not rerun

keep(
    "comment at the end of a class",
    "",
    "# c",
    """
    class A:
        def go(self, x):
            return x
        $edit

    @stage
    def work(x):
        return A().go(x)
""",
)
keep(
    "logger name",
    "'a'",
    "'b'",
    """
    import logging
    log = logging.getLogger($edit)

    @stage
    def work(x):
        log.debug("x")
        return x
""",
)
keep(
    "type checking import",
    "",
    "from typing import TYPE_CHECKING",
    """
    $edit
    @stage
    def work(x):
        return x
""",
)
keep(
    "param annotation helper",
    "x: int",
    "x: 'Foo'",
    """
    def helper($edit):
        return x

    @stage
    def work(x):
        return helper(x)
""",
)
keep(
    "private helper of another stage",
    "1",
    "2",
    """
    def other_helper(x):
        return x + $edit

    @stage
    def other(x):
        return other_helper(x)

    @stage
    def work(x):
        return x
""",
)
keep(
    "comprehension var in nested fn",
    "i",
    "j",
    """
    @stage
    def work(x):
        def f(n):
            $edit = n
            return n + 1
        return f(x)
""",
)
keep(
    "except variable",
    "e",
    "err",
    """
    @stage
    def work(x):
        try:
            return 1 // 0
        except ZeroDivisionError as $edit:
            return 2
""",
)
keep(
    "print of module constant unaffected in main guard",
    "1",
    "2",
    """
    @stage
    def work(x):
        return x

    if __name__ == "__zzz__":
        print($edit)
""",
)
keep(
    "global mutated by body cache",
    "",
    "CACHE['k'] = 1",
    """
    CACHE = {}
    $edit

    def helper(x):
        CACHE[x] = x
        return CACHE[x]

    @stage
    def work(x):
        return helper(x)
""",
)
keep(
    "lru_cache wrapper filled",
    "",
    "helper(99)",
    """
    import functools

    @functools.lru_cache
    def helper(x):
        return x + 1
    $edit

    @stage
    def work(x):
        return helper(x)
""",
)
keep(
    "lazy model global",
    "",
    "get_model()",
    """
    _MODEL = None

    def get_model():
        global _MODEL
        if _MODEL is None:
            _MODEL = [1, 2, 3]
        return _MODEL
    $edit

    @stage
    def work(x):
        return sum(get_model()) + x
""",
)
keep(
    "cached class attr filled",
    "",
    "A.get()",
    """
    class A:
        _inst = None

        @classmethod
        def get(cls):
            if cls._inst is None:
                cls._inst = cls()
            return cls._inst

        def go(self, x):
            return x + 1
    $edit

    @stage
    def work(x):
        return A.get().go(x)
""",
)
keep(
    "from-import vs import as (same helper)",
    "from lib import helper as h",
    "import lib; h = lib.helper",
    """
    $edit

    @stage
    def work(x):
        return h(x)
""",
    lib="""
    def helper(x):
        return x + 1
""",
)
keep(
    "string concat literal",
    "'ab'",
    "'a' 'b'",
    """
    @stage
    def work(x):
        return $edit
""",
)
keep(
    "constant folding",
    "60 * 60",
    "3600",
    """
    @stage
    def work(x):
        return x * ($edit)
""",
)
keep(
    "pass statement",
    "",
    "pass",
    """
    @stage
    def work(x):
        $edit
        return x
""",
)
