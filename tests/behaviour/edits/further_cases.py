"""Edits that reach a stage by data: names, registries, files, what code says of itself.

And moves: code that lies elsewhere afterwards, and is the same.
"""

from __future__ import annotations

from cases import keep, move, rerun

rerun(
    "module __getattr__ gives a helper",
    "x + 1",
    "x + 2",
    """
    import lib

    @stage
    def work(x):
        return lib.helper(x)
""",
    files={
        "lib.py": """
        def _real(x):
            return $edit
        def __getattr__(name):
            if name == 'helper':
                return _real
            raise AttributeError(name)
"""
    },
)
rerun(
    "lazy submodule through package __getattr__",
    "x + 1",
    "x + 2",
    """
    import pkg

    @stage
    def work(x):
        return pkg.tools.helper(x)
""",
    files={
        "pkg/__init__.py": """
        import importlib
        def __getattr__(name):
            if name == 'tools':
                return importlib.import_module('pkg.tools')
            raise AttributeError(name)
""",
        "pkg/tools.py": """
        def helper(x):
            return $edit
""",
    },
)
rerun(
    "importlib.import_module with a constant in the body",
    "x + 1",
    "x + 2",
    """
    import importlib

    @stage
    def work(x):
        return importlib.import_module("lib").helper(x)
""",
    files={
        "lib.py": """
        def helper(x):
            return $edit
"""
    },
)
rerun(
    "__import__ in the body",
    "x + 1",
    "x + 2",
    """
    @stage
    def work(x):
        return __import__("lib").helper(x)
""",
    files={
        "lib.py": """
        def helper(x):
            return $edit
"""
    },
)
rerun(
    "import_module with a global name",
    "x + 1",
    "x + 2",
    """
    import importlib
    NAME = "lib"

    @stage
    def work(x):
        return importlib.import_module(NAME).helper(x)
""",
    files={
        "lib.py": """
        def helper(x):
            return $edit
"""
    },
)
rerun(
    "import_module of an f-string (plugins)",
    "x + 1",
    "x + 2",
    """
    import importlib

    @stage
    def work(name, x):
        return importlib.import_module(f"plugins.{name}").run(x)
""",
    call="work('a', 3)",
    files={
        "plugins/__init__.py": "",
        "plugins/a.py": """
        def run(x):
            return $edit
""",
    },
)
rerun(
    "getattr of a module with a variable name",
    "x + 1",
    "x + 2",
    """
    import lib

    @stage
    def work(name, x):
        return getattr(lib, name)(x)
""",
    call="work('helper', 3)",
    files={
        "lib.py": """
        def helper(x):
            return $edit
"""
    },
)
rerun(
    "globals() lookup constant",
    "x + 1",
    "x + 2",
    """
    def helper(x):
        return $edit

    @stage
    def work(x):
        return globals()["helper"](x)
""",
)
rerun(
    "globals() lookup by argument",
    "x + 1",
    "x + 2",
    """
    def step_a(x):
        return $edit

    @stage
    def work(name, x):
        return globals()[f"step_{name}"](x)
""",
    call="work('a', 3)",
)
rerun(
    "vars(module) lookup",
    "x + 1",
    "x + 2",
    """
    import lib

    @stage
    def work(name, x):
        return vars(lib)[name](x)
""",
    call="work('helper', 3)",
    files={
        "lib.py": """
        def helper(x):
            return $edit
"""
    },
)
rerun(
    "module.__dict__ lookup",
    "x + 1",
    "x + 2",
    """
    import lib

    @stage
    def work(x):
        return lib.__dict__["helper"](x)
""",
    files={
        "lib.py": """
        def helper(x):
            return $edit
"""
    },
)
rerun(
    "sys.modules[__name__] getattr",
    "x + 1",
    "x + 2",
    """
    import sys

    def helper(x):
        return $edit

    @stage
    def work(x):
        return getattr(sys.modules[__name__], "helper")(x)
""",
)
rerun(
    "eval of an expression",
    "x + 1",
    "x + 2",
    """
    def helper(x):
        return $edit

    @stage
    def work(x):
        return eval("helper(x)")
""",
)
rerun(
    "local try import in body falls back",
    "x + 1",
    "x + 2",
    """
    @stage
    def work(x):
        try:
            from no_such_fast_lib import helper
        except ImportError:
            from slow import helper
        return helper(x)
""",
    files={
        "slow.py": """
        def helper(x):
            return $edit
"""
    },
)
move(
    "a module that was absent at first appears",
    """
    @stage
    def work(x):
        try:
            from fast import helper
        except ImportError:
            helper = abs
        return helper(x)
""",
    """
    @stage
    def work(x):
        try:
            from fast import helper
        except ImportError:
            helper = abs
        return helper(x)
""",
    after={
        "fast.py": """
        def helper(x):
            return x + 100
"""
    },
    reruns=("work",),
)
rerun(
    "partialmethod's function",
    "x + y",
    "x - y",
    """
    from functools import partialmethod

    class A:
        def add(self, y, x):
            return $edit
        add10 = partialmethod(add, 10)

    @stage
    def work(x):
        return A().add10(x)
""",
)
rerun(
    "singledispatch registered from another module",
    "x + 1",
    "x + 2",
    """
    from base import f
    import impl

    @stage
    def work(x):
        return f(x)
""",
    files={
        "base.py": """
        from functools import singledispatch
        @singledispatch
        def f(x):
            return 0
""",
        "impl.py": """
        from base import f
        @f.register(int)
        def _(x):
            return $edit
""",
    },
)
rerun(
    "global cmp_to_key",
    "a - b",
    "b - a",
    """
    from functools import cmp_to_key

    KEY = cmp_to_key(lambda a, b: $edit)

    @stage
    def work(x):
        return sorted(range(x), key=KEY)
""",
)
rerun(
    "class based decorator",
    "* 2",
    "* 3",
    """
    from deco import Twice

    @Twice
    def helper(x):
        return x + 1

    @stage
    def work(x):
        return helper(x)
""",
    files={
        "deco.py": """
        import functools
        class Twice:
            def __init__(self, f):
                functools.update_wrapper(self, f)
                self.f = f
            def __call__(self, *a):
                return self.f(*a) $edit
"""
    },
)
rerun(
    "decorator with keyword arguments and closure table",
    "'sum'",
    "'max'",
    """
    from deco import reducing

    @reducing(how=$edit)
    def helper(x):
        return range(x)

    @stage
    def work(x):
        return helper(x)
""",
    files={
        "deco.py": """
        HOW = {'sum': sum, 'max': max}
        def reducing(*, how):
            def deco(f):
                def inner(*a):
                    return HOW[how](f(*a))
                return inner
            return deco
"""
    },
)
rerun(
    "decorator that registers and returns unchanged, dispatch in registry module",
    "x + 1",
    "x + 2",
    """
    import registry, steps

    @stage
    def work(name, x):
        return registry.run(name, x)
""",
    call="work('a', 3)",
    files={
        "registry.py": """
        STEPS = {}
        def step(name):
            def deco(f):
                STEPS[name] = f
                return f
            return deco
        def run(name, x):
            return STEPS[name](x)
""",
        "steps.py": """
        from registry import step
        @step('a')
        def a(x):
            return $edit
""",
    },
)
rerun(
    "registry class with class attribute dict",
    "x + 1",
    "x + 2",
    """
    class Registry:
        items = {}

        @classmethod
        def register(cls, name):
            def deco(f):
                cls.items[name] = f
                return f
            return deco

        @classmethod
        def get(cls, name):
            return cls.items[name]

    @Registry.register("a")
    def a(x):
        return $edit

    @stage
    def work(x):
        return Registry.get("a")(x)
""",
)
rerun(
    "registry instance",
    "x + 1",
    "x + 2",
    """
    class Registry:
        def __init__(self):
            self.items = {}

        def register(self, f):
            self.items[f.__name__] = f
            return f

        def __getitem__(self, name):
            return self.items[name]

    REG = Registry()

    @REG.register
    def a(x):
        return $edit

    @stage
    def work(x):
        return REG["a"](x)
""",
)
rerun(
    "registry by __init_subclass__",
    "x + 1",
    "x + 2",
    """
    class Base:
        known = {}
        def __init_subclass__(cls, /, name, **kw):
            super().__init_subclass__(**kw)
            Base.known[name] = cls

    class A(Base, name="a"):
        def go(self, x):
            return $edit

    @stage
    def work(x):
        return Base.known["a"]().go(x)
""",
)
rerun(
    "registry by metaclass",
    "x + 1",
    "x + 2",
    """
    class Meta(type):
        known = {}
        def __new__(mcls, name, bases, ns):
            cls = super().__new__(mcls, name, bases, ns)
            mcls.known[name] = cls
            return cls

    class A(metaclass=Meta):
        def go(self, x):
            return $edit

    @stage
    def work(x):
        return Meta.known["A"]().go(x)
""",
)
rerun(
    "registry read by a subscript in the helper that also fills it",
    "x + 1",
    "x + 2",
    """
    _HANDLERS = {}

    def on(kind, f=None):
        if f is not None:
            _HANDLERS[kind] = f
        return _HANDLERS[kind]

    def a(x):
        return $edit

    on("a", a)

    @stage
    def work(x):
        return on("a")(x)
""",
)
rerun(
    "ABC register virtual subclass isinstance",
    "int",
    "str",
    """
    from abc import ABC

    class Num(ABC):
        pass

    Num.register($edit)

    @stage
    def work(x):
        return isinstance(x, Num)
""",
)
rerun(
    "order of bases",
    "A, B",
    "B, A",
    """
    class A:
        def go(self):
            return "a"

    class B:
        def go(self):
            return "b"

    class C($edit):
        pass

    @stage
    def work(x):
        return C().go()
""",
)
rerun(
    "metaclass __getattr__",
    "'1'",
    "'2'",
    """
    class Meta(type):
        def __getattr__(cls, name):
            return name + $edit

    class A(metaclass=Meta):
        pass

    @stage
    def work(x):
        return A.foo
""",
)
rerun(
    "data descriptor with __set_name__",
    "v * 2",
    "v * 3",
    """
    class Field:
        def __set_name__(self, owner, name):
            self.name = "_" + name
        def __get__(self, obj, owner=None):
            return getattr(obj, self.name)
        def __set__(self, obj, v):
            setattr(obj, self.name, $edit)

    class A:
        f = Field()
        def __init__(self, v):
            self.f = v

    @stage
    def work(x):
        return A(x).f
""",
)
rerun(
    "async context manager and async for",
    "i + 1",
    "i + 2",
    """
    import asyncio
    from contextlib import asynccontextmanager

    async def gen(n):
        for i in range(n):
            yield $edit

    @asynccontextmanager
    async def ctx(n):
        yield gen(n)

    async def run(n):
        async with ctx(n) as g:
            return [i async for i in g]

    @stage
    def work(x):
        return asyncio.run(run(x))
""",
)
rerun(
    "match with class pattern and __match_args__",
    "'a', 'b'",
    "'b', 'a'",
    """
    class P:
        __match_args__ = ($edit)
        def __init__(self):
            self.a, self.b = 1, 2

    @stage
    def work(x):
        match P():
            case P(a, b):
                return [a, b]
""",
)
rerun(
    "closures over loop variable late bound",
    "(1, 2, 3)",
    "(1, 2, 4)",
    """
    def make():
        fs = []
        for n in $edit:
            fs.append(lambda x: x * n)
        return fs

    FS = make()

    @stage
    def work(x):
        return [f(x) for f in FS]
""",
)
rerun(
    "function attribute",
    "5",
    "6",
    """
    def helper(x):
        return x + helper.offset

    helper.offset = $edit

    @stage
    def work(x):
        return helper(x)
""",
)
rerun(
    "monkeypatch of a module attribute from a third module",
    "x + 1",
    "x + 2",
    """
    import lib, patches

    @stage
    def work(x):
        return lib.outer(x)
""",
    files={
        "lib.py": """
        def helper(x):
            return x
        def outer(x):
            return helper(x)
""",
        "patches.py": """
        import lib
        def better(x):
            return $edit
        lib.helper = better
""",
    },
)
rerun(
    "monkeypatch of a stdlib function",
    "x + 1",
    "x + 2",
    """
    import math
    def better(x):
        return $edit
    math.user_patched = better

    @stage
    def work(x):
        return math.user_patched(x)
""",
)
rerun(
    "dataclass field annotation drives conversion",
    "int",
    "float",
    """
    from dataclasses import dataclass, fields

    @dataclass
    class C:
        a: $edit

    def load(cls, raw):
        return cls(**{f.name: f.type(raw[f.name]) for f in fields(cls)})

    @stage
    def work(x):
        return load(C, {"a": str(x)}).a
""",
)
rerun(
    "annotations drive conversion through get_type_hints",
    "int",
    "float",
    """
    from typing import get_type_hints

    class C:
        a: $edit

    @stage
    def work(x):
        return {k: t(x) for k, t in get_type_hints(C).items()}
""",
)
rerun(
    "__annotations__ of a helper drive conversion",
    "int",
    "float",
    """
    def convert(a: $edit):
        return a

    @stage
    def work(x):
        return convert.__annotations__["a"](x)
""",
)
rerun(
    "docstring is data",
    "Old.",
    "New.",
    """
    def helper():
        "$edit"

    @stage
    def work(x):
        return helper.__doc__
""",
)
rerun(
    "class name is data",
    "Alpha",
    "Beta",
    """
    class $edit:
        pass

    K = $edit

    @stage
    def work(x):
        return K.__name__
""",
)
rerun(
    "type(self).__name__ in a base method",
    "Alpha",
    "Beta",
    """
    class Base:
        def tag(self):
            return type(self).__name__

    class $edit(Base):
        pass

    K = $edit()

    @stage
    def work(x):
        return K.tag()
""",
)
rerun(
    "Enum with __new__ and tuple values",
    "1.5",
    "2.5",
    """
    from enum import Enum

    class Unit(Enum):
        KM = ("km", $edit)
        def __new__(cls, code, factor):
            o = object.__new__(cls)
            o._value_ = code
            o.factor = factor
            return o

    @stage
    def work(x):
        return x * Unit.KM.factor
""",
)
rerun(
    "Decimal constant",
    "Decimal('1.0')",
    "Decimal('1.00')",
    """
    from decimal import Decimal
    K = $edit

    @stage
    def work(x):
        return str(K)
""",
)
rerun(
    "ZoneInfo constant",
    "ZoneInfo('Europe/Vienna')",
    "ZoneInfo('Europe/London')",
    """
    from zoneinfo import ZoneInfo
    K = $edit

    @stage
    def work(x):
        return str(K)
""",
)
rerun(
    "struct constant",
    "Struct('<i')",
    "Struct('>i')",
    """
    from struct import Struct
    K = $edit

    @stage
    def work(x):
        return K.pack(x)
""",
)
rerun(
    "np.frompyfunc helper",
    "np.frompyfunc(lambda v: v + 1, 1, 1)",
    "np.frompyfunc(lambda v: v + 2, 1, 1)",
    """
    import numpy as np
    K = $edit

    @stage
    def work(x):
        return K([x]).tolist()
""",
)
rerun(
    "ContextVar default",
    "5",
    "6",
    """
    from contextvars import ContextVar
    K = ContextVar('K', default=$edit)

    @stage
    def work(x):
        return K.get() + x
""",
)
rerun(
    "make_dataclass default",
    "1",
    "2",
    """
    from dataclasses import make_dataclass, field
    A = make_dataclass('A', [('k', int, field(default=$edit))])

    @stage
    def work(x):
        return A().k
""",
)
rerun(
    "json file read at import",
    '{"k": 1}',
    '{"k": 2}',
    """
    import lib

    @stage
    def work(x):
        return lib.CONFIG["k"] + x
""",
    files={
        "lib.py": """
        import json, pathlib
        CONFIG = json.loads((pathlib.Path(__file__).parent / 'config.json').read_text())
""",
        "config.json": """
        $edit
""",
    },
)
rerun(
    "ini config read at import (ConfigParser global)",
    "k = 1",
    "k = 2",
    """
    import lib

    @stage
    def work(x):
        return lib.CFG.getint("a", "k") + x
""",
    files={
        "lib.py": """
        import configparser, pathlib
        CFG = configparser.ConfigParser()
        CFG.read(pathlib.Path(__file__).parent / 'c.ini')
""",
        "c.ini": """
        [a]
        $edit
""",
    },
)
rerun(
    "package data by importlib.resources",
    "hello",
    "bye",
    """
    from importlib import resources
    import pkg

    @stage
    def work(x):
        return (resources.files("pkg") / "t.txt").read_text().strip() * x
""",
    files={
        "pkg/__init__.py": "",
        "pkg/t.txt": """
        $edit
""",
    },
)
move(
    "a new file under a globbed folder",
    """
    from pathlib import Path

    @stage
    def work(x):
        return sorted(p.name for p in Path("data").glob("*.txt"))
""",
    """
    from pathlib import Path

    @stage
    def work(x):
        return sorted(p.name for p in Path("data").glob("*.txt"))
""",
    before={
        "data/a.txt": """
        1
"""
    },
    after={
        "data/a.txt": """
        1
""",
        "data/b.txt": """
        1
""",
    },
    reruns=("work",),
)
rerun(
    "env by a constant of another module",
    "'a'",
    "'b'",
    """
    import os, lib
    os.environ["MODE_Z"] = $edit

    @stage
    def work(x):
        return os.environ[lib.NAME]
""",
    files={
        "lib.py": """
        NAME = 'MODE_Z'
"""
    },
)
rerun(
    "env name from an argument of a helper",
    "'a'",
    "'b'",
    """
    import os
    os.environ["MODE_Z"] = $edit

    def setting(name):
        return os.environ[name]

    @stage
    def work(x):
        return setting("MODE_Z")
""",
)
rerun(
    "os.path.expandvars",
    "'a'",
    "'b'",
    """
    import os
    os.environ["MODE_Z"] = $edit

    @stage
    def work(x):
        return os.path.expandvars("$$MODE_Z".replace("$$", "$"))
""",
)
rerun(
    "env iteration by prefix",
    "'a'",
    "'b'",
    """
    import os
    os.environ["APPZ_MODE"] = $edit

    @stage
    def work(x):
        return {k: v for k, v in os.environ.items() if k.startswith("APPZ_")}
""",
)
rerun(
    "query string with @global",
    "1",
    "2",
    """
    import pandas as pd
    LIMIT = $edit

    @stage
    def work(x):
        return pd.DataFrame({"a": [1, 2, x]}).query("a > @LIMIT")["a"].tolist()
""",
)
rerun(
    "DataFrame method patched on",
    "self.a + 1",
    "self.a + 2",
    """
    import pandas as pd

    def plus(self):
        return $edit

    pd.DataFrame.plus = plus

    @stage
    def work(x):
        return pd.DataFrame({"a": [x]}).plus().tolist()
""",
)
rerun(
    "registered dataframe accessor",
    "self.df.a + 1",
    "self.df.a + 2",
    """
    import warnings
    warnings.simplefilter("ignore")
    import pandas as pd

    @pd.api.extensions.register_dataframe_accessor("mine")
    class Mine:
        def __init__(self, df):
            self.df = df
        def plus(self):
            return $edit

    @stage
    def work(x):
        return pd.DataFrame({"a": [x]}).mine.plus().tolist()
""",
)
rerun(
    "sklearn pipeline holding user transformer",
    "X * 2",
    "X * 3",
    """
    import numpy as np, pandas
    from sklearn.base import BaseEstimator, TransformerMixin
    from sklearn.pipeline import Pipeline

    class Scale(BaseEstimator, TransformerMixin):
        def fit(self, X, y=None):
            return self
        def transform(self, X):
            return $edit

    PIPE = Pipeline([("s", Scale())])

    @stage
    def work(x):
        return PIPE.fit_transform(np.array([[x]])).tolist()
""",
)
rerun(
    "sklearn FunctionTransformer with helper",
    "X * 2",
    "X * 3",
    """
    import numpy as np, pandas
    from sklearn.preprocessing import FunctionTransformer

    def f(X):
        return $edit

    @stage
    def work(x):
        return FunctionTransformer(f).fit_transform(np.array([[x]])).tolist()
""",
)
rerun(
    "importlib spec_from_file_location",
    "x + 1",
    "x + 2",
    """
    import importlib.util

    def load(path):
        spec = importlib.util.spec_from_file_location("dyn", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    @stage
    def work(x):
        return load("dyn_file.py").helper(x)
""",
    files={
        "dyn_file.py": """
        def helper(x):
            return $edit
"""
    },
)
rerun(
    "runpy of a script in the body",
    "K = 1",
    "K = 2",
    """
    import runpy

    @stage
    def work(x):
        return runpy.run_path("other.py")["K"]
""",
    files={
        "other.py": """
        $edit
"""
    },
)
rerun(
    "pipeline with an edited middle stage",
    "x * 2",
    "x * 3",
    """
    from stagecache import pipeline

    @stage
    def a(x):
        return x + 1

    @stage
    def b(x):
        return $edit

    @stage
    def c(x):
        return x - 1

    @pipeline
    def flow(x):
        return c(b(a(x)))
""",
    call="flow(3)",
    reruns=("b", "c"),
)
move(
    "splitting a helper module into two",
    """
    from lib import helper
    @stage
    def work(x):
        return helper(x)
""",
    """
    from lib import helper
    @stage
    def work(x):
        return helper(x)
""",
    before={
        "lib.py": """
        def low(x):
            return x + 1

        def helper(x):
            return low(x)
"""
    },
    after={
        "low.py": """
        def low(x):
            return x + 1
""",
        "lib.py": """
        from low import low

        def helper(x):
            return low(x)
""",
    },
)
move(
    "moving a helper from main to a package",
    """
    def helper(x):
        return x + 1

    @stage
    def work(x):
        return helper(x)
""",
    """
    from pkg.sub import helper
    @stage
    def work(x):
        return helper(x)
""",
    after={
        "pkg/__init__.py": "",
        "pkg/sub.py": """
        def helper(x):
            return x + 1
""",
    },
)
move(
    "renaming a stage",
    """
    def helper(x):
        return x + 1
    @stage
    def work(x):
        return helper(x)
""",
    """
    def helper(x):
        return x + 1
    @stage
    def job(x):
        return helper(x)
""",
    new_call="job(3)",
)
move(
    "renaming a helper everywhere",
    """
    def helper(x):
        return x + 1
    @stage
    def work(x):
        return helper(x)
""",
    """
    def tool(x):
        return x + 1
    @stage
    def work(x):
        return tool(x)
""",
)
move(
    "moving a stage to another module",
    """
    def helper(x):
        return x + 1
    @stage
    def work(x):
        return helper(x)
""",
    """
    from stages import work
""",
    after={
        "stages.py": """
        from stagecache import stage
        def helper(x):
            return x + 1
        @stage
        def work(x):
            return helper(x)
"""
    },
)
move(
    "relative import to absolute import",
    """
    from pkg.sub import helper
    @stage
    def work(x):
        return helper(x)
""",
    """
    from pkg.sub import helper
    @stage
    def work(x):
        return helper(x)
""",
    before={
        "pkg/__init__.py": "",
        "pkg/low.py": """
        def low(x):
            return x + 1
""",
        "pkg/sub.py": """
        from .low import low
        def helper(x):
            return low(x)
""",
    },
    after={
        "pkg/__init__.py": "",
        "pkg/low.py": """
        def low(x):
            return x + 1
""",
        "pkg/sub.py": """
        from pkg.low import low
        def helper(x):
            return low(x)
""",
    },
)
move(
    "package turned from a module",
    """
    from lib import helper
    @stage
    def work(x):
        return helper(x)
""",
    """
    from lib import helper
    @stage
    def work(x):
        return helper(x)
""",
    before={
        "lib.py": """
        def helper(x):
            return x + 1
"""
    },
    after={
        "lib/__init__.py": """
        from .core import helper
""",
        "lib/core.py": """
        def helper(x):
            return x + 1
""",
    },
)
move(
    "class renamed whose instance is a global",
    """
    class A:
        def go(self, x):
            return x + 1
    K = A()
    @stage
    def work(x):
        return K.go(x)
""",
    """
    class B:
        def go(self, x):
            return x + 1
    K = B()
    @stage
    def work(x):
        return K.go(x)
""",
)
move(
    "lambda to def in a table",
    """
    T = {'a': lambda x: x + 1}
    @stage
    def work(x):
        return T['a'](x)
""",
    """
    def plus(x):
        return x + 1
    T = {'a': plus}
    @stage
    def work(x):
        return T['a'](x)
""",
)
move(
    "helpers in a list renamed",
    """
    def one(x):
        return x + 1
    S = [one]
    @stage
    def work(x):
        return S[0](x)
""",
    """
    def uno(x):
        return x + 1
    S = [uno]
    @stage
    def work(x):
        return S[0](x)
""",
)
move(
    "reordering methods of a class",
    """
    class A:
        def a(self):
            return 1
        def b(self, x):
            return self.a() + x
    @stage
    def work(x):
        return A().b(x)
""",
    """
    class A:
        def b(self, x):
            return self.a() + x
        def a(self):
            return 1
    @stage
    def work(x):
        return A().b(x)
""",
)
keep(
    "counter on the class by type(self)",
    "0",
    "7",
    """
    class S:
        n = $edit
        def go(self, x):
            type(self).n += 1
            return x
    @stage
    def work(x):
        return S().go(x)
""",
)
keep(
    "singleton by __new__",
    "",
    "S()",
    """
    class S:
        _one = None
        def __new__(cls):
            if cls._one is None:
                cls._one = super().__new__(cls)
            return cls._one
        def go(self, x):
            return x + 1
    $edit
    @stage
    def work(x):
        return S().go(x)
""",
)
keep(
    "isinstance called before fills ABC cache",
    "",
    "isinstance(3, N); isinstance('a', N)",
    """
    from abc import ABC
    class N(ABC):
        pass
    $edit
    @stage
    def work(x):
        return isinstance(x, N)
""",
)
keep(
    "lazily imported module global",
    "",
    "get()",
    """
    _np = None
    def get():
        global _np
        if _np is None:
            import numpy
            _np = numpy
        return _np
    $edit
    @stage
    def work(x):
        return int(get().arange(x).sum())
""",
)
keep(
    "overloads edited",
    "str",
    "bytes",
    """
    from typing import overload
    @overload
    def helper(x: int) -> int: ...
    @overload
    def helper(x: $edit) -> $edit: ...
    def helper(x):
        return x
    @stage
    def work(x):
        return helper(x)
""",
)
keep(
    "Protocol method annotation",
    "int",
    "float",
    """
    from typing import Protocol
    class P(Protocol):
        def go(self, x: $edit): ...
    class A:
        def go(self, x):
            return x
    def run(p: P, x):
        return p.go(x)
    @stage
    def work(x):
        return run(A(), x)
""",
)
keep(
    "abstract method body: ... to docstring",
    "...",
    "'''Doc.'''",
    """
    from abc import ABC, abstractmethod
    class B(ABC):
        @abstractmethod
        def go(self): $edit
    class C(B):
        def go(self):
            return 1
    @stage
    def work(x):
        return C().go() + x
""",
)
keep(
    "set of two functions of one name",
    "1",
    "2",
    """
    def make(n):
        def f(x):
            return x + n
        return f
    S = {make(1), make(2)}
    UNUSED = $edit
    @stage
    def work(x):
        return sorted(f(x) for f in S)
""",
)
keep(
    "another key in an unused registry",
    "1",
    "2",
    """
    import lib
    @stage
    def work(x):
        return lib.helper(x)
""",
    files={
        "lib.py": """
        REG = {}
        def reg(f):
            REG[f.__name__] = f
            return f
        @reg
        def helper(x):
            return x
        @reg
        def other(x):
            return $edit
"""
    },
)
rerun(
    "a plain value on a module of the standard library",
    "5",
    "6",
    """
    import string
    import settings

    @stage
    def work(x):
        return x + string.limit
""",
    settings="""
    import string
    string.limit = $edit
""",
)
rerun(
    "a table on a library's class, read by a helper",
    "5",
    "6",
    """
    from fractions import Fraction
    import settings

    def helper(x):
        return x * Fraction.table["a"]

    @stage
    def work(x):
        return helper(x)
""",
    settings="""
    import fractions
    fractions.Fraction.table = {"a": $edit}
""",
)
rerun(
    "a constant of a library is overwritten",
    "8",
    "16",
    """
    import settings

    @stage
    def work(x):
        import colorsys
        return x + colorsys.ONE_SIXTH
""",
    settings="""
    import colorsys
    colorsys.ONE_SIXTH = $edit
""",
)
keep(
    "an unread value on a library's module",
    "5",
    "6",
    """
    import string
    import settings

    @stage
    def work(x):
        return string.digits[x]
""",
    settings="""
    import string
    string.limit = $edit
""",
)
rerun(
    "a helper that touches requests",
    "utf-8",
    "latin-1",
    """
    import client

    @stage
    def work(x):
        return client.asked(x)
""",
    client="""
    import requests
    from requests.adapters import HTTPAdapter

    class Patient(HTTPAdapter):
        def send(self, request, **options):
            return super().send(request, timeout=30, **options)

    def session():
        made = requests.Session()
        made.mount("https://", Patient(max_retries=3))
        return made

    def asked(x):
        request = requests.Request("POST", "http://localhost/", data=f"é{x}".encode("$edit"))
        try:
            return bytes(session().prepare_request(request).body)
        except requests.RequestException as error:
            return str(error)
""",
)
rerun(
    "a helper that touches pyarrow",
    "add",
    "multiply",
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    SCHEMA = pa.schema([("a", pa.int64())])

    def table(x):
        return pa.table({"a": [x, x + 1]}, schema=SCHEMA)

    def helper(x):
        return pc.$edit(table(x)["a"], pa.scalar(5)).to_pylist()

    @stage
    def work(x):
        return helper(x)
""",
)
