"""Edits of what programs set inside of libraries, and of what only looks like that."""

from __future__ import annotations

from cases import keep, move, rerun

_PRECISION = """
import decimal
$edit

@stage
def work(x):
    return str(decimal.Decimal(x) / 7)
"""


def setting(name: str, old: str, new: str, body: str, **more: object) -> None:
    """Add a setting whose edit is felt."""
    rerun(f"setting: {name}", old, new, body, **more)


def silent(name: str, old: str, new: str, body: str, **more: object) -> None:
    """Add an edit that no stage can feel."""
    keep(f"setting: {name}", old, new, body, **more)


setting("precision", "decimal.getcontext().prec = 5", "decimal.getcontext().prec = 6", _PRECISION)
setting(
    "context of decimals",
    "decimal.setcontext(decimal.Context(prec=5))",
    "decimal.setcontext(decimal.Context(prec=6))",
    _PRECISION,
)
setting(
    "precision through a name of one's own",
    "context = decimal.getcontext(); context.prec = 5",
    "context = decimal.getcontext(); context.prec = 6",
    _PRECISION,
)
setting(
    "condition of a precision",
    "True",
    "False",
    """
    import decimal
    IS_SHORT = $edit
    if IS_SHORT:
        decimal.getcontext().prec = 5

    @stage
    def work(x):
        return str(decimal.Decimal(x) / 7)
""",
)
setting(
    "precision by a constant of another module",
    "5",
    "6",
    """
    from decimal import Decimal, getcontext
    import config
    getcontext().prec = config.DIGITS

    @stage
    def work(x):
        return str(Decimal(x) / 7)
""",
    config="DIGITS = $edit",
)
setting(
    "precision by a field of an object",
    "5",
    "6",
    """
    import decimal, types
    OPTIONS = types.SimpleNamespace(digits=$edit, title="a")
    decimal.getcontext().prec = OPTIONS.digits

    @stage
    def work(x):
        return str(decimal.Decimal(x) / 7)
""",
)
silent(
    "another field of that object",
    "a",
    "b",
    """
    import decimal, types
    OPTIONS = types.SimpleNamespace(digits=5, title="$edit")
    decimal.getcontext().prec = OPTIONS.digits

    @stage
    def work(x):
        return str(decimal.Decimal(x) / 7)
""",
)
setting(
    "in a module that is imported for its effect",
    "5",
    "6",
    """
    import decimal
    import settings_for_decimals

    @stage
    def work(x):
        return str(decimal.Decimal(x) / 7)
""",
    settings_for_decimals="import decimal\ndecimal.getcontext().prec = $edit",
)
setting(
    "in a function that is called at import",
    "5",
    "6",
    """
    import decimal

    def setup():
        decimal.getcontext().prec = $edit
        print("ready")

    setup()

    @stage
    def work(x):
        return str(decimal.Decimal(x) / 7)
""",
)
setting(
    "passed to a function of another module",
    "5",
    "6",
    """
    import decimal
    from setup import prepare

    prepare($edit)

    @stage
    def work(x):
        return str(decimal.Decimal(x) / 7)
""",
    setup="""
    import decimal
    def prepare(digits):
        decimal.getcontext().prec = digits
""",
)
silent(
    "another line of a function that sets",
    "ready",
    "set",
    """
    import decimal

    def setup():
        decimal.getcontext().prec = 5
        title = "$edit"

    setup()

    @stage
    def work(x):
        return str(decimal.Decimal(x) / 7)
""",
)
setting(
    "felt through a helper and an annotation",
    "5",
    "6",
    """
    import decimal
    from decimal import Decimal
    decimal.getcontext().prec = $edit

    def ratio(a: Decimal, b: Decimal) -> str:
        return str(a / b)

    @stage
    def work(x):
        return ratio(x, x + 6)
""",
    call="work(__import__('decimal').Decimal(1))",
)
setting(
    "numpy's digits",
    "3",
    "4",
    """
    import numpy as np
    np.set_printoptions(precision=$edit)

    @stage
    def work(x):
        return str(np.array([x / 7]))
""",
)
setting(
    "a block around the program",
    "3",
    "4",
    """
    import numpy as np

    @stage
    def work(x):
        return str(np.array([x / 7]))

    with np.printoptions(precision=$edit):
        print(work(4))
""",
)
setting(
    "numpy's errors",
    "ignore",
    "raise",
    """
    import numpy as np
    old = np.seterr(divide="$edit")

    @stage
    def work(x):
        try:
            return str(np.array([x]) / np.array([0]))
        except FloatingPointError:
            return "raised"
""",
)
setting(
    "option of pandas as an attribute",
    "60",
    "2",
    """
    import pandas as pd
    pd.options.display.max_rows = $edit

    @stage
    def work(x):
        return str(pd.Series(range(9)))
""",
)
setting(
    "option of pandas by its name",
    "60",
    "2",
    """
    import pandas as pd
    ROWS = $edit
    pd.set_option("display.max_rows", ROWS)

    @stage
    def work(x):
        return str(pd.Series(range(9)))
""",
)
setting(
    "options of pandas in a table",
    "2",
    "3",
    """
    import pandas as pd
    OPTIONS = {"display.max_rows": $edit, "display.min_rows": $edit}
    for name, value in OPTIONS.items():
        pd.set_option(name, value)

    @stage
    def work(x):
        return str(pd.Series(range(9)))
""",
)
setting(
    "locale",
    "C.UTF-8",
    "C",
    """
    import locale
    try:
        locale.setlocale(locale.LC_CTYPE, "$edit")
    except locale.Error:
        pass

    @stage
    def work(x):
        return locale.setlocale(locale.LC_CTYPE)
""",
)
setting(
    "warnings that are errors",
    "ignore",
    "error",
    """
    import warnings
    import helper
    warnings.simplefilter("$edit")

    @stage
    def work(x):
        return helper.loud(x)
""",
    helper="""
    from warnings import warn
    def loud(x):
        try:
            warn("much")
        except UserWarning:
            return "raised"
        return x
""",
)
silent(
    "warnings that are not shown",
    'warnings.filterwarnings("ignore", category=UserWarning)',
    'warnings.filterwarnings("ignore")',
    """
    import warnings
    import numpy as np
    $edit

    @stage
    def work(x):
        return str(np.sqrt(x))
""",
)
setting(
    "seed",
    "7",
    "8",
    """
    import random
    random.seed($edit)

    @stage
    def work(x):
        return random.randint(0, 10**9)
""",
)
setting(
    "seed by a function for all",
    "7",
    "8",
    """
    import random
    from random import randint, seed
    import numpy as np

    def seed_everything(value):
        seed(value)
        np.random.seed(value)

    seed_everything($edit)

    @stage
    def work(x):
        return randint(0, 10**9)

    @stage
    def other(x):
        return float(np.random.rand())

    @stage
    def third(x):
        return str(np.sqrt(x))
""",
    call="work(3), other(3), third(3)",
    reruns=("work", "other"),
)
setting(
    "numpy's seed, felt in a frame that is only passed",
    "7",
    "8",
    """
    import numpy as np
    import pandas as pd
    np.random.seed($edit)

    @stage
    def work(rows):
        return list(rows.sample(3).a)
""",
    call="work(pd.DataFrame({'a': range(99)}))",
)
setting(
    "numpy's seed, felt in pandas",
    "7",
    "8",
    """
    import numpy as np
    import pandas as pd
    np.random.seed($edit)

    @stage
    def work(rows: pd.DataFrame):
        return list(rows.sample(3).a)
""",
    call="work(pd.DataFrame({'a': range(99)}))",
)
silent(
    "numpy's seed beside a generator of one's own",
    "7",
    "8",
    """
    import numpy as np
    np.random.seed($edit)

    @stage
    def work(x):
        return float(np.random.default_rng(5).random())
""",
)
setting(
    "dialect",
    ";",
    "|",
    """
    import csv
    csv.register_dialect("ours", delimiter="$edit")

    @stage
    def work(x):
        return next(csv.reader(["a;b|c"], "ours"))
""",
)
setting(
    "handler of errors in text",
    "?",
    "!",
    """
    import codecs

    def replaced(error):
        return "$edit", error.end

    codecs.register_error("ours", replaced)

    @stage
    def work(x):
        return "äb".encode("ascii", "ours")

    @stage
    def other(x):
        return "b".encode("ascii", "strict")
""",
    call="work(3), other(3)",
)
setting(
    "depth of recursion",
    "1000",
    "2000",
    """
    import sys
    sys.setrecursionlimit($edit)

    def deep(x):
        return x and deep(x - 1)

    @stage
    def work(x):
        try:
            return deep(1500)
        except RecursionError:
            return "too deep"
""",
)
setting(
    "digits of an integer",
    "640",
    "0",
    """
    import sys
    sys.set_int_max_str_digits($edit)

    @stage
    def work(x):
        try:
            return len(str(10 ** 700))
        except ValueError:
            return "too long"
""",
)
setting(
    "parameters of matplotlib",
    "5",
    "6",
    """
    import matplotlib as mpl
    mpl.rcParams.update({"font.size": $edit})

    @stage
    def work(x):
        return mpl.rcParams["font.size"]
""",
)
setting(
    "constructor of YAML",
    "len",
    "str.upper",
    """
    import yaml

    def made(loader, node):
        return $edit(loader.construct_scalar(node))

    yaml.add_constructor("!made", made, Loader=yaml.SafeLoader)

    @stage
    def work(x):
        return yaml.safe_load("!made abc")
""",
)
setting(
    "how copies are made",
    "1",
    "2",
    """
    import copy, copyreg, lib

    def reduced(point):
        return lib.Point, (point.x + $edit,)

    copyreg.pickle(lib.Point, reduced)

    @stage
    def work(x):
        return copy.copy(lib.Point(x)).x
""",
    lib="""
    class Point:
        def __init__(self, x):
            self.x = x
""",
)
setting(
    "a library's own dispatch",
    "x",
    "y",
    """
    import fractions
    import importlib.resources
    import pkgutil

    class Odd:
        path = "."

    @pkgutil.iter_importer_modules.register(Odd)
    def modules(importer, prefix=""):
        yield "$edit", False

    @stage
    def work(x):
        return list(pkgutil.iter_importer_modules(Odd()))
""",
)
setting(
    "data that only the library reads",
    "/a",
    "/b",
    """
    import tempfile
    tempfile.tempdir = "$edit"

    @stage
    def work(x):
        return tempfile.gettempdir()
""",
)
setting(
    "level of a logger that is asked",
    "INFO",
    "DEBUG",
    """
    import logging
    log = logging.getLogger("ours")
    log.setLevel(logging.$edit)

    @stage
    def work(x):
        return log.isEnabledFor(logging.DEBUG)
""",
)
silent(
    "level of the log",
    "INFO",
    "DEBUG",
    """
    import logging
    logging.basicConfig(level=logging.$edit)
    log = logging.getLogger("ours")
    log.setLevel(logging.$edit)

    @stage
    def work(x):
        log.debug("at work")
        return x
""",
)
silent(
    "precision that the stage does not reach",
    "5",
    "6",
    """
    import decimal, random
    import numpy as np
    decimal.getcontext().prec = $edit
    random.seed($edit)
    np.set_printoptions(precision=$edit)

    @stage
    def work(x):
        return x + 1
""",
)
silent(
    "what a program prints",
    '"hello"',
    '"hello", flush=True',
    _PRECISION.replace("$edit", "print($edit)"),
)
silent(
    "calls that set nothing",
    "np.sqrt(2); pd.DataFrame({'a': [1]}).set_index('a')",
    "np.sqrt(3); pd.DataFrame({'b': [1]}).reset_index()",
    """
    import numpy as np
    import pandas as pd
    frame = pd.DataFrame({"a": [1, 2]})
    frame["b"] = 5
    frame.index.name = "x"
    $edit

    @stage
    def work(x):
        return str(pd.Series(np.array([x])))
""",
)
silent(
    "one's own object of a library",
    "1",
    "2",
    """
    import argparse
    import collections
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", default=$edit)
    parser.set_defaults(rows=$edit)
    counts = collections.Counter()
    counts["a"] = $edit
    counts.update(b=$edit)

    @stage
    def work(x):
        return dict(collections.Counter("abc"), x=argparse.SUPPRESS)
""",
)
silent(
    "a method that the stage does not call",
    "1",
    "2",
    """
    import pandas as pd

    def tidy(frame):
        return frame + $edit

    pd.DataFrame.tidy = tidy
    pd.DataFrame.limit = $edit

    @stage
    def work(x):
        return int(pd.DataFrame({"a": [x]}).a.sum())
""",
)
silent(
    "how a setting is written",
    "np.set_printoptions(precision=3)",
    "np.set_printoptions(\n    precision=3,  # short\n)",
    """
    import numpy as np
    $edit

    @stage
    def work(x):
        return str(np.array([x / 7]))
""",
)
_USE = """
@stage
def work(x):
    return str(decimal.Decimal(x) / 7)
"""
move(
    "setting: moved to another module",
    "import decimal\nimport settings\ndecimal.getcontext().prec = 5\n" + _USE,
    "import decimal\nimport settings\n" + _USE,
    before={"settings.py": "import decimal\ndecimal.getcontext().rounding = decimal.ROUND_UP"},
    after={
        "settings.py": "import decimal\ndecimal.getcontext().rounding = decimal.ROUND_UP\n"
        "decimal.getcontext().prec = 5"
    },
)
move(
    "setting: new for the stage",
    "import decimal\n" + _USE,
    "import decimal\ndecimal.getcontext().prec = 5\n" + _USE,
    reruns=("work",),
)
move(
    "setting: order of two that are one",
    "import numpy as np\nnp.seterr(all='ignore')\nnp.seterr(divide='raise')\n"
    "@stage\ndef work(x):\n    return np.geterr()['divide']",
    "import numpy as np\nnp.seterr(divide='raise')\nnp.seterr(all='ignore')\n"
    "@stage\ndef work(x):\n    return np.geterr()['divide']",
    reruns=("work",),
)
_MANY = """
import decimal
import numpy as np

@stage
def work(x, digits):
    return str(decimal.Decimal(x) / 7), str(np.array([x / 7]))

decimal.getcontext().prec = 4
print(work(3, 0))
# %%
decimal.getcontext().prec = $edit
print(work(3, 0))
for digits in (2, 3):
    np.set_printoptions(precision=digits)
    print(work(3, 0))

def by_digits():
    for digits in (5, 7):
        decimal.getcontext().prec = digits
        print(work(3, 0))

by_digits()
with decimal.localcontext() as context:
    context.prec = 3
    print(work(3, 0))
print(work(3, 0))
"""
rerun(
    "setting: one after the other in a program",
    "5",
    "6",
    _MANY,
    call="0",
    reruns=("work",) * 7,
)
_IMPURE = """
import numpy as np

@stage
def one(x):
    np.set_printoptions(precision=3)
    return x

@stage
def two(x):
    return str(np.array([x / 7]))

@stage
def three(x):
    return x + $edit
"""
rerun(
    "setting: by a body that is not run again",
    "1",
    "2",
    _IMPURE,
    call="one(3), two(3), three(3)",
    reruns=("three",),
)
setting(
    "functions of random by their own names",
    "1",
    "2",
    """
    from random import gauss, random, seed
    from numpy.random import rand, seed as seed_numpy
    seed(7)
    seed_numpy(7)

    @stage
    def work(x):
        return random(), gauss(0, 1), float(rand())

    @stage
    def other(x):
        return x * $edit
""",
    call="work(3), other(0), work(3)",
    reruns=("other",),
)
setting(
    "seed by a function of another module",
    "7",
    "8",
    """
    from tools import seed_everything
    import random
    seed_everything($edit)

    @stage
    def work(x):
        return random.random()
""",
    tools="""
    import random
    def seed_everything(value):
        random.seed(value)
""",
)
setting(
    "all that decimals offer",
    "5",
    "6",
    """
    from decimal import *
    getcontext().prec = $edit

    @stage
    def work(x):
        return str(Decimal(x) / 7)
""",
)
setting(
    "in a program that is run at its end",
    "5",
    "6",
    """
    import asyncio
    import decimal
    RATE = decimal.Decimal(3) / 2

    @stage
    async def work(x):
        return str(x / RATE / 7)

    async def start():
        decimal.getcontext().prec = $edit
        return await asyncio.gather(work(1), work(2))

    print(asyncio.run(start()))
""",
    call="0",
    reruns=("work", "work"),
)
setting(
    "a class that yaml registers",
    "1",
    "2",
    """
    import yaml

    class Point(yaml.YAMLObject):
        yaml_tag = "!Point"
        yaml_loader = yaml.SafeLoader

        @classmethod
        def from_yaml(cls, loader, node):
            return $edit

    @stage
    def work(x):
        return yaml.safe_load("!Point {a: 1}")
""",
)
