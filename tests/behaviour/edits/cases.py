"""Edits that people make: a project, an edit of it, and the stages that have to run after it.

A file is written flush left; ``# %%`` separates notebook cells. ``main.py`` defines ``main()``
and prints results. In each text ``$old`` stands for what the edit changes.
"""

from __future__ import annotations

import textwrap
from typing import NamedTuple


class Case(NamedTuple):
    """One edit."""

    name: str
    files: dict[str, str]
    edited: str
    old: str
    new: str
    reruns: tuple[str, ...]
    after: dict[str, str] | None = None
    """All files after the edit, if it is more than a replacement."""

    def texts(self, which: str) -> dict[str, str]:
        """Return the files before (``old``) or after (``new``) the edit."""
        if self.after is not None:
            return self.files if which == "old" else self.after
        text = self.old if which == "old" else self.new
        return {
            name: contents.replace("$edit", text) if self.edited in ("", name) else contents
            for name, contents in self.files.items()
        }


CASES: list[Case] = []

HEAD = "from stagecache import stage\n"
TAIL = '\n# %%\ndef main():\n    print({call})\n\nif __name__ == "__main__":\n    main()\n'


def case(
    name: str,
    old: str,
    new: str,
    body: str,
    *,
    call: str = "work(3)",
    reruns: tuple[str, ...] = ("work",),
    edited: str = "",
    files: dict[str, str] | None = None,
    **modules: str,
) -> None:
    """Add a case: `body` of main.py and further modules (``lib=...`` is lib.py) or `files`."""
    files = _project(body, call, files)
    for module, text in modules.items():
        path = module.replace("____init__", "/__init__").replace("__s", "/s") + ".py"
        files[path] = textwrap.dedent(text).strip() + "\n"
    assert sum(text.count("$edit") for text in files.values()), name
    CASES.append(Case(name, files, edited, old, new, reruns))


def _project(body: str, call: str, files: dict[str, str] | None) -> dict[str, str]:
    main = HEAD + textwrap.dedent(body).strip() + "\n" + TAIL.format(call=call)
    others = {name: textwrap.dedent(text).strip() + "\n" for name, text in (files or {}).items()}
    return {"main.py": main, **others}


def move(
    name: str,
    old: str,
    new: str,
    *,
    before: dict[str, str] | None = None,
    after: dict[str, str] | None = None,
    call: str = "work(3)",
    new_call: str = "",
    reruns: tuple[str, ...] = (),
) -> None:
    """Add a case of main.py and other files `before` and `after`."""
    files = _project(old, call, before)
    CASES.append(Case(name, files, "", "", "", reruns, _project(new, new_call or call, after)))


def rerun(name: str, old: str, new: str, body: str, **more: object) -> None:
    case(name, old, new, body, **more)  # type: ignore[arg-type]


def keep(name: str, old: str, new: str, body: str, **more: object) -> None:
    case(name, old, new, body, reruns=(), **more)  # type: ignore[arg-type]


# --- the stage itself

rerun(
    "body of the stage",
    "x + 1",
    "x + 2",
    """
    @stage
    def work(x):
        return $edit
""",
)
rerun(
    "constant of another type",
    "1",
    "1.0",
    """
    @stage
    def work(x):
        return x * $edit
""",
)
rerun(
    "True for 1",
    "1",
    "True",
    """
    @stage
    def work(x):
        return [x, $edit]
""",
)
rerun(
    "sign of zero",
    "0.0",
    "-0.0",
    """
    @stage
    def work(x):
        return $edit
""",
)
rerun(
    "nested function's constant",
    "10",
    "11",
    """
    @stage
    def work(x):
        def inner(y):
            return y * $edit
        return inner(x)
""",
)
rerun(
    "lambda in the body",
    "y + 1",
    "y + 2",
    """
    @stage
    def work(x):
        return (lambda y: $edit)(x)
""",
)
rerun(
    "comprehension",
    "i * 2",
    "i * 3",
    """
    @stage
    def work(x):
        return [$edit for i in range(x)]
""",
)
rerun(
    "generator expression's condition",
    "i > 0",
    "i > 1",
    """
    @stage
    def work(x):
        return sum(i for i in range(x) if $edit)
""",
)
rerun(
    "default of the stage",
    "1",
    "2",
    """
    @stage
    def work(x, y=$edit):
        return x + y
""",
)
rerun(
    "keyword default of the stage",
    "1",
    "2",
    """
    @stage
    def work(x, *, y=$edit):
        return x + y
""",
)
rerun(
    "version option",
    '"1"',
    '"2"',
    """
    @stage(version=$edit)
    def work(x):
        return x
""",
)
rerun(
    "exception handler",
    "ValueError",
    "ZeroDivisionError",
    """
    @stage
    def work(x):
        try:
            return 1 // (x - 3)
        except ($edit, ArithmeticError) as error:
            return type(error).__name__
""",
)
rerun(
    "order of branches",
    "x > 2",
    "x > 3",
    """
    @stage
    def work(x):
        if $edit:
            return "big"
        return "small"
""",
)
rerun(
    "f-string",
    "{x:.2f}",
    "{x:.3f}",
    """
    @stage
    def work(x):
        return f"$edit"
""",
)
rerun(
    "walrus and match",
    "case 3",
    "case 4",
    """
    @stage
    def work(x):
        match x:
            $edit:
                return "three"
            case _:
                return "other"
""",
)
rerun(
    "attribute name on an unknown object",
    "upper",
    "title",
    """
    @stage
    def work(x):
        return "abc".$edit() * x
""",
)
rerun(
    "keyword name in a call",
    "sep",
    "end",
    """
    @stage
    def work(x):
        return dict($edit=x)
""",
)

# --- helpers

rerun(
    "helper",
    "x + 1",
    "x + 2",
    """
    def helper(x):
        return $edit

    @stage
    def work(x):
        return helper(x)
""",
)
rerun(
    "helper of a helper",
    "x + 1",
    "x + 2",
    """
    def deep(x):
        return $edit

    def helper(x):
        return deep(x) * 2

    @stage
    def work(x):
        return helper(x)
""",
)
rerun(
    "helper defined below the stage",
    "x + 1",
    "x + 2",
    """
    @stage
    def work(x):
        return helper(x)

    def helper(x):
        return $edit
""",
)
rerun(
    "from lib import helper",
    "x + 1",
    "x + 2",
    """
    from lib import helper

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
    "import lib; lib.helper",
    "x + 1",
    "x + 2",
    """
    import lib

    @stage
    def work(x):
        return lib.helper(x)
""",
    edited="lib.py",
    lib="""
    def helper(x):
        return $edit
""",
)
rerun(
    "import lib as alias",
    "x + 1",
    "x + 2",
    """
    import lib as tools

    @stage
    def work(x):
        return tools.helper(x)
""",
    edited="lib.py",
    lib="""
    def helper(x):
        return $edit
""",
)
rerun(
    "module alias by assignment",
    "5",
    "6",
    """
    import lib
    tools = lib

    @stage
    def work(x):
        return tools.LIMIT + x
""",
    edited="lib.py",
    lib="""
    LIMIT = $edit
""",
)
rerun(
    "local alias of a module",
    "5",
    "6",
    """
    import lib

    @stage
    def work(x):
        m = lib
        return m.LIMIT + x
""",
    edited="lib.py",
    lib="""
    LIMIT = $edit
""",
)
rerun(
    "package.sub.helper",
    "x + 1",
    "x + 2",
    """
    import package.sub

    @stage
    def work(x):
        return package.sub.helper(x)
""",
    edited="package/sub.py",
    package____init__="",
    package__sub="""
    def helper(x):
        return $edit
""",
)
rerun(
    "re-exported by a package",
    "x + 1",
    "x + 2",
    """
    from package import helper

    @stage
    def work(x):
        return helper(x)
""",
    edited="package/sub.py",
    package____init__="from package.sub import helper",
    package__sub="""
    def helper(x):
        return $edit
""",
)
rerun(
    "function-local from-import",
    "x + 1",
    "x + 2",
    """
    @stage
    def work(x):
        from lib import helper
        return helper(x)
""",
    edited="lib.py",
    lib="""
    def helper(x):
        return $edit
""",
)
rerun(
    "function-local import",
    "x + 1",
    "x + 2",
    """
    @stage
    def work(x):
        import lib
        return lib.helper(x)
""",
    edited="lib.py",
    lib="""
    def helper(x):
        return $edit
""",
)
rerun(
    "import inside a helper",
    "x + 1",
    "x + 2",
    """
    def helper(x):
        from lib import deep
        return deep(x)

    @stage
    def work(x):
        return helper(x)
""",
    edited="lib.py",
    lib="""
    def deep(x):
        return $edit
""",
)
rerun(
    "helper's default",
    "1",
    "2",
    """
    def helper(x, y=$edit):
        return x + y

    @stage
    def work(x):
        return helper(x)
""",
)
rerun(
    "helper's keyword default",
    "1",
    "2",
    """
    def helper(x, *, y=$edit):
        return x + y

    @stage
    def work(x):
        return helper(x)
""",
)
rerun(
    "a helper replaced by another of the same name",
    "first",
    "second",
    """
    def first(x):
        return x + 1

    def second(x):
        return x + 2

    helper = $edit

    @stage
    def work(x):
        return helper(x)
""",
)
rerun(
    "recursive helper",
    "n - 1",
    "n - 2",
    """
    def down(n):
        return 0 if n <= 0 else 1 + down($edit)

    @stage
    def work(x):
        return down(x)
""",
)
rerun(
    "mutual recursion",
    "2",
    "3",
    """
    def even(n):
        return n * $edit if n <= 0 else odd(n - 1)

    def odd(n):
        return 7 + (0 if n <= 0 else even(n - 1))

    @stage
    def work(x):
        return even(x) + odd(x)
""",
)
rerun(
    "callback passed as an argument",
    "x + 1",
    "x + 2",
    """
    def callback(x):
        return $edit

    @stage
    def work(f, x):
        return f(x)
""",
    call="work(callback, 3)",
)
rerun(
    "lambda global",
    "x + 1",
    "x + 2",
    """
    helper = lambda x: $edit

    @stage
    def work(x):
        return helper(x)
""",
)
rerun(
    "lambda in a dict",
    "x + 1",
    "x + 2",
    """
    TABLE = {"inc": lambda x: $edit}

    @stage
    def work(x):
        return TABLE["inc"](x)
""",
)
rerun(
    "functions in a list",
    "x * 2",
    "x * 3",
    """
    def double(x):
        return $edit

    STEPS = [abs, double]

    @stage
    def work(x):
        for step in STEPS:
            x = step(x)
        return x
""",
)
rerun(
    "order of functions in a list",
    "[one, two]",
    "[two, one]",
    """
    def one(x):
        return x + 1

    def two(x):
        return x * 2

    STEPS = $edit

    @stage
    def work(x):
        for step in STEPS:
            x = step(x)
        return x
""",
)
rerun(
    "partial's argument",
    "10",
    "11",
    """
    from functools import partial

    def add(x, y):
        return x + y

    helper = partial(add, $edit)

    @stage
    def work(x):
        return helper(x)
""",
)
rerun(
    "partial's function",
    "x + y",
    "x - y",
    """
    from functools import partial

    def add(x, y):
        return $edit

    helper = partial(add, 10)

    @stage
    def work(x):
        return helper(x)
""",
)
rerun(
    "wrapper of a decorated helper",
    "+ 100",
    "+ 200",
    """
    import functools

    def logged(fn):
        @functools.wraps(fn)
        def wrapper(*args):
            return fn(*args) $edit
        return wrapper

    @logged
    def helper(x):
        return x + 1

    @stage
    def work(x):
        return helper(x)
""",
)
rerun(
    "wrapped function under a decorator",
    "x + 1",
    "x + 2",
    """
    import functools

    def logged(fn):
        @functools.wraps(fn)
        def wrapper(*args):
            return fn(*args)
        return wrapper

    @logged
    def helper(x):
        return $edit

    @stage
    def work(x):
        return helper(x)
""",
)
rerun(
    "decorator's argument",
    "3",
    "4",
    """
    import functools

    def times(n):
        def decorate(fn):
            @functools.wraps(fn)
            def wrapper(x):
                return fn(x) * n
            return wrapper
        return decorate

    @times($edit)
    def helper(x):
        return x + 1

    @stage
    def work(x):
        return helper(x)
""",
)
rerun(
    "lru_cache around a helper",
    "x + 1",
    "x + 2",
    """
    import functools

    @functools.lru_cache
    def helper(x):
        return $edit

    @stage
    def work(x):
        return helper(x)
""",
)
rerun(
    "closure value",
    "5",
    "6",
    """
    def make(n):
        @stage
        def work(x):
            return x + n
        return work

    work = make($edit)
""",
)
rerun(
    "closure over a helper",
    "y + 1",
    "y + 2",
    """
    def make():
        def helper(y):
            return $edit

        @stage
        def work(x):
            return helper(x)
        return work

    work = make()
""",
)
rerun(
    "helper that touches pandas",
    "mean",
    "median",
    """
    import pandas as pd

    def middle(frame):
        return frame["x"].$edit()

    @stage
    def work(x):
        return float(middle(pd.DataFrame({"x": [1, 2, 30, x]})))
""",
)
rerun(
    "helper that touches numpy",
    "axis=0",
    "axis=1",
    """
    import numpy as np

    def total(array):
        return array.sum($edit).tolist()

    @stage
    def work(x):
        return total(np.ones((x, 2)))
""",
)
rerun(
    "inner stage of a stage",
    "x + 1",
    "x + 2",
    """
    @stage
    def inner(x):
        return $edit

    @stage
    def work(x):
        return inner(x) * 10
""",
    reruns=("work", "inner"),
)

# --- globals

rerun(
    "global constant",
    "5",
    "6",
    """
    LIMIT = $edit

    @stage
    def work(x):
        return min(x, LIMIT) + LIMIT
""",
)
rerun(
    "global of a helper",
    "5",
    "6",
    """
    LIMIT = $edit

    def helper(x):
        return x + LIMIT

    @stage
    def work(x):
        return helper(x)
""",
)
rerun(
    "value in a global dict",
    "5",
    "6",
    """
    SETTINGS = {"limit": $edit, "name": "x"}

    @stage
    def work(x):
        return x + SETTINGS["limit"]
""",
)
rerun(
    "nested global list",
    "[3]",
    "[4]",
    """
    SETTINGS = {"a": [1, [2, $edit]]}

    @stage
    def work(x):
        return SETTINGS
""",
)
rerun(
    "global filled after its definition",
    "5",
    "6",
    """
    SETTINGS = {}
    SETTINGS["limit"] = $edit

    @stage
    def work(x):
        return x + SETTINGS["limit"]
""",
)
rerun(
    "global set",
    '"b"',
    '"c"',
    """
    WANTED = {"a", $edit}

    @stage
    def work(x):
        return sorted(WANTED)
""",
)
rerun(
    "global regular expression",
    "[a-z]",
    "[b-z]",
    """
    import re
    PATTERN = re.compile("$edit+")

    @stage
    def work(x):
        return PATTERN.findall("abc")
""",
)
rerun(
    "global numpy array",
    "2",
    "3",
    """
    import numpy as np
    WEIGHTS = np.array([1, $edit])

    @stage
    def work(x):
        return (WEIGHTS * x).tolist()
""",
)
rerun(
    "global frame",
    "2",
    "3",
    """
    import pandas as pd
    TABLE = pd.DataFrame({"a": [1, $edit]})

    @stage
    def work(x):
        return int(TABLE["a"].sum())
""",
)
rerun(
    "computed global",
    "2",
    "3",
    """
    def setup():
        return [i * $edit for i in range(3)]

    TABLE = setup()

    @stage
    def work(x):
        return TABLE[x - 1]
""",
)
rerun(
    "enum member",
    "1",
    "2",
    """
    import enum

    class Mode(enum.Enum):
        FAST = $edit

    @stage
    def work(x):
        return Mode.FAST.value + x
""",
)
rerun(
    "lib constant by from-import",
    "5",
    "6",
    """
    from lib import LIMIT

    @stage
    def work(x):
        return x + LIMIT
""",
    edited="lib.py",
    lib="LIMIT = $edit",
)
rerun(
    "environment variable set by the program",
    '"a"',
    '"b"',
    """
    import os
    os.environ["STAGE_TEST_MODE"] = $edit

    @stage
    def work(x):
        return os.environ["STAGE_TEST_MODE"]
""",
)
rerun(
    "os.getenv in a helper",
    '"a"',
    '"b"',
    """
    import os
    os.environ["STAGE_TEST_MODE"] = $edit

    def mode():
        return os.getenv("STAGE_TEST_MODE", "none")

    @stage
    def work(x):
        return mode()
""",
)
rerun(
    "os.environ.get with a default",
    '"a"',
    '"b"',
    """
    import os

    @stage
    def work(x):
        return os.environ.get("STAGE_TEST_UNSET", $edit)
""",
)

# --- classes

rerun(
    "method of a class",
    "self.x + 1",
    "self.x + 2",
    """
    class Adder:
        def __init__(self, x):
            self.x = x

        def result(self):
            return $edit

    @stage
    def work(x):
        return Adder(x).result()
""",
)
rerun(
    "base class method",
    "x + 1",
    "x + 2",
    """
    class Base:
        def step(self, x):
            return $edit

    class Adder(Base):
        pass

    @stage
    def work(x):
        return Adder().step(x)
""",
)
rerun(
    "base class in another module",
    "x + 1",
    "x + 2",
    """
    from lib import Base

    class Adder(Base):
        pass

    @stage
    def work(x):
        return Adder().step(x)
""",
    edited="lib.py",
    lib="""
    class Base:
        def step(self, x):
            return $edit
""",
)
rerun(
    "class attribute",
    "5",
    "6",
    """
    class Config:
        limit = $edit

    @stage
    def work(x):
        return x + Config.limit
""",
)
rerun(
    "class attribute through self",
    "5",
    "6",
    """
    class Config:
        limit = $edit

        def get(self):
            return self.limit

    @stage
    def work(x):
        return x + Config().get()
""",
)
rerun(
    "property",
    "self.x + 1",
    "self.x + 2",
    """
    class Adder:
        def __init__(self, x):
            self.x = x

        @property
        def result(self):
            return $edit

    @stage
    def work(x):
        return Adder(x).result
""",
)
rerun(
    "static method",
    "x + 1",
    "x + 2",
    """
    class Tools:
        @staticmethod
        def step(x):
            return $edit

    @stage
    def work(x):
        return Tools.step(x)
""",
)
rerun(
    "class method",
    "x + 1",
    "x + 2",
    """
    class Tools:
        @classmethod
        def step(cls, x):
            return $edit

    @stage
    def work(x):
        return Tools.step(x)
""",
)
rerun(
    "dataclass default",
    "5",
    "6",
    """
    from dataclasses import dataclass

    @dataclass
    class Config:
        limit: int = $edit

    @stage
    def work(x):
        return x + Config().limit
""",
)
rerun(
    "dataclass default factory",
    "[5]",
    "[6]",
    """
    from dataclasses import dataclass, field

    @dataclass
    class Config:
        limits: list = field(default_factory=lambda: $edit)

    @stage
    def work(x):
        return Config().limits
""",
)
rerun(
    "state of a global instance",
    "5",
    "6",
    """
    class Model:
        def __init__(self, k):
            self.k = k

        def predict(self, x):
            return x * self.k

    MODEL = Model($edit)

    @stage
    def work(x):
        return MODEL.predict(x)
""",
)
rerun(
    "method of a global instance",
    "x * self.k",
    "x + self.k",
    """
    class Model:
        def __init__(self, k):
            self.k = k

        def predict(self, x):
            return $edit

    MODEL = Model(5)

    @stage
    def work(x):
        return MODEL.predict(x)
""",
)
rerun(
    "method of an argument's class",
    "self.k + 1",
    "self.k + 2",
    """
    class Model:
        def __init__(self, k):
            self.k = k

        def value(self):
            return $edit

    @stage
    def work(model):
        return model.value()
""",
    call="work(Model(3))",
)
rerun(
    "stage that is a method",
    "self.k * x",
    "self.k + x",
    """
    class Model:
        def __init__(self, k):
            self.k = k

        @stage
        def work(self, x):
            return $edit
""",
    call="Model(5).work(3)",
)
rerun(
    "helper method called by a stage that is a method",
    "self.k * 2",
    "self.k * 3",
    """
    class Model:
        def __init__(self, k):
            self.k = k

        def scaled(self):
            return $edit

        @stage
        def work(self, x):
            return self.scaled() + x
""",
    call="Model(5).work(3)",
)
rerun(
    "method of a result's class reaches the stage below",
    "self.v + 1",
    "self.v + 2",
    """
    class Box:
        def __init__(self, v):
            self.v = v

        def value(self):
            return $edit

    def box(v):
        return Box(v)

    @stage
    def make(x):
        return box(x)

    @stage
    def work(b):
        return b.value()
""",
    call="work(make(3))",
    reruns=("make", "work"),
)
rerun(
    "operator of a class",
    "self.v + other.v",
    "self.v - other.v",
    """
    class Vector:
        def __init__(self, v):
            self.v = v

        def __add__(self, other):
            return Vector($edit)

    @stage
    def work(x):
        return (Vector(x) + Vector(1)).v
""",
)
rerun(
    "descriptor",
    "* 2",
    "* 3",
    """
    class Double:
        def __get__(self, instance, owner):
            return instance.x $edit

    class Thing:
        y = Double()

        def __init__(self, x):
            self.x = x

    @stage
    def work(x):
        return Thing(x).y
""",
)

# --- what must not rerun

STAGE = """
    def helper(x):
        return x + 1

    @stage
    def work(x):
        return helper(x)
"""
keep(
    "comment in the stage",
    "",
    "# a comment",
    """
    @stage
    def work(x):
        $edit
        return x + 1
""",
)
keep(
    "docstring of the stage",
    '"""Old."""',
    '"""New and longer."""',
    """
    @stage
    def work(x):
        $edit
        return x + 1
""",
)
keep(
    "docstring added",
    "",
    '"""New."""',
    """
    @stage
    def work(x):
        $edit
        return x + 1
""",
)
keep(
    "annotation",
    "x: int",
    "x: float",
    """
    @stage
    def work($edit):
        return x + 1
""",
)
keep(
    "return annotation",
    "",
    " -> int",
    """
    @stage
    def work(x)$edit:
        return x + 1
""",
)
keep(
    "formatting",
    "x+1",
    "(\n            x\n            + 1\n        )",
    """
    @stage
    def work(x):
        return $edit
""",
)
keep(
    "blank lines above",
    "",
    "\n\n\n\n",
    """
    $edit
    @stage
    def work(x):
        return x + 1
""",
)
keep(
    "an unrelated function",
    "pass",
    "return 17",
    """
    def unrelated():
        $edit

    @stage
    def work(x):
        return x + 1
""",
)
keep(
    "an unrelated global",
    "1",
    "2",
    """
    UNRELATED = $edit

    @stage
    def work(x):
        return x + 1
""",
)
keep(
    "an unrelated function in the same module",
    "1",
    "2",
    """
    from lib import helper

    @stage
    def work(x):
        return helper(x)
""",
    edited="lib.py",
    lib="""
    def helper(x):
        return x + 1

    def other(x):
        return x + $edit
""",
)
keep(
    "an unused import",
    "",
    "import json, decimal",
    """
    $edit

    @stage
    def work(x):
        return x + 1
""",
)
keep(
    "comment in a helper",
    "",
    "# why",
    """
    def helper(x):
        $edit
        return x + 1

    @stage
    def work(x):
        return helper(x)
""",
)
keep(
    "docstring of a helper's class",
    '"""Old."""',
    '"""New."""',
    """
    class Tools:
        $edit

        def step(self, x):
            return x + 1

    @stage
    def work(x):
        return Tools().step(x)
""",
)
keep(
    "local variable renamed",
    "y = x + 1; return y",
    "z = x + 1; return z",
    """
    @stage
    def work(x):
        $edit
""",
)
keep(
    "loop variable renamed",
    "[i for i in range(x)]",
    "[j for j in range(x)]",
    """
    @stage
    def work(x):
        return $edit
""",
)
keep(
    "helper renamed",
    "helper",
    "tool",
    """
    def later(x):
        return x + 1

    $edit = later

    @stage
    def work(x):
        return globals_of_main(x)

    def globals_of_main(x):
        return later(x)
""",
)
keep(
    "quotes and number spelling",
    "'a', 1_000, 0x10",
    '"a", 1000, 16',
    """
    @stage
    def work(x):
        return [$edit, x]
""",
)
keep(
    "parentheses and trailing commas",
    "[1, 2]",
    "[(1), 2,]",
    """
    @stage
    def work(x):
        return $edit
""",
)
keep(
    "helper moved below the stage",
    "",
    "\n\nUNRELATED = 1\n\n",
    """
    @stage
    def work(x):
        return helper(x)
    $edit
    def helper(x):
        return x + 1
""",
)
keep(
    "another stage added",
    "",
    "other = stage(lambda x: x)",
    """
    $edit

    @stage
    def work(x):
        return x + 1
""",
)
keep(
    "another method of an unused class",
    "1",
    "2",
    """
    class Unused:
        def method(self):
            return $edit

    @stage
    def work(x):
        return x + 1
""",
)
keep(
    "a memo that the code fills itself",
    "",
    "_memo[99] = 1",
    """
    _memo = {}
    $edit

    @stage
    def work(x):
        if x not in _memo:
            _memo[x] = x + 1
        return _memo[x]
""",
)
keep(
    "an ignored parameter's value",
    "True",
    "False",
    """
    @stage(ignore=("verbose",))
    def work(x, verbose):
        return x + 1

    FLAG = $edit
""",
    call="work(3, FLAG)",
)
keep(
    "keyword for positional argument",
    "work(3)",
    "work(x=3)",
    """
    @stage
    def work(x):
        return x + 1

    def call():
        return $edit
""",
    call="call()",
)
keep(
    "type hints on a dataclass helper",
    "int",
    "float",
    """
    @stage
    def work(x):
        y: $edit = x + 1
        return y
""",
)
keep(
    "assert message position",
    "",
    "\n\n",
    """
    @stage
    def work(x):
        assert x > 0, "positive"
        $edit
        return x
""",
)
