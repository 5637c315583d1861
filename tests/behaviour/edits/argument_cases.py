"""Edits of what a stage is given: objects of the user's classes, functions, frames."""

from __future__ import annotations

from cases import keep, rerun

_ATTRS = """
import attrs

@attrs.frozen
class Limits:
    low: int
    high: int = attrs.field(default=$edit)

@stage
def work(x):
    return hash(Limits(x)) == hash(Limits(x)), Limits(x).high
"""
rerun("a default of a frozen class of attrs", "7", "8", _ATTRS)
keep("how a default of a frozen class of attrs is written", "7", "(7)", _ATTRS)
rerun(
    "a frozen class of attrs as argument",
    "self.low + 1",
    "self.low + 2",
    """
    import attrs

    @attrs.frozen
    class Limits:
        low: int

        def start(self):
            return $edit

    @stage
    def work(x, limits):
        return x + limits.start()
""",
    call="work(3, Limits(1))",
)
_GIVEN = """
    import polars as pl
    import toolz
    import steps

    @stage
    def select(expression):
        return pl.DataFrame({"a": [1]}).select(expression)["a"].to_list()

    @stage
    def apply(curried, x):
        return curried(x)

    def work(x):
        column = pl.col("a").map_batches(steps.one, return_dtype=pl.Int64)
        return select(column), select(pl.col("a") + 1), apply(steps.added(1), x)
"""
_STEPS = """
    import toolz

    def one(column):
        return column + $edit

    @toolz.curry
    def added(k, x):
        return x + k + $edit
"""
rerun(
    "a function in an expression of polars, and one that is curried",
    "2",
    "3",
    _GIVEN,
    files={"steps.py": _STEPS},
    reruns=("select", "apply"),
)
keep(
    "how a function in an expression of polars is written",
    "2",
    "(2)",
    _GIVEN,
    files={"steps.py": _STEPS},
)
_CALLED = """
    @stage
    def work(x, f): return f(x)

    def $edit():
        return work(3, lambda x: x + 1)
"""
keep("who makes the function that is given", "run", "start", _CALLED, call="$edit()")
rerun(
    "an attribute that somebody put on a frame",
    "km",
    "m",
    """
    import warnings
    import pandas as pd

    @stage
    def work(x, frame):
        return frame.source

    warnings.simplefilter("ignore")
    FRAME = pd.DataFrame({"a": [1]})
    FRAME.source = "$edit"
""",
    call="work(3, FRAME)",
)
rerun(
    "an attribute of a function that is given",
    "3",
    "4",
    """
    def retrying(times):
        def mark(function):
            function.times = times
            return function
        return mark

    @retrying($edit)
    def step(x):
        return x

    @stage
    def work(x, step):
        return [step(x)] * step.times
""",
    call="work(3, step)",
)
_WARM = """
    from functools import cached_property

    class Model:
        def __init__(self, size):
            self.size = size

        @cached_property
        def table(self):
            return $table

        @stage
        def first(self):
            return self.table[0]

        @stage
        def total(self):
            return sum(self.table)

    MODEL = Model(2)

    @stage
    def shared(x):
        return MODEL.table[0] + x

    @stage
    def summed(x):
        return sum(MODEL.table) + x

    def work(x):
        mine = Model(2)
        $before
        return mine.first(), mine.total(), shared(x), summed(x)
"""


def _warm(table: str, before: str = "") -> str:
    return _WARM.replace("$table", table).replace("$before", before)


_ALL = ("first", "total", "shared", "summed")
keep(
    "what uses nothing beside a property that is worked out once",
    "# once",
    "# kept",
    _warm("[self.size, 5]  $edit"),
)
rerun("a property that is worked out once", "5", "6", _warm("[self.size, $edit]"), reruns=_ALL)
rerun(
    "what was assigned to a property that is worked out once",
    "5",
    "6",
    _warm("[self.size, 1]", "mine.table = [1, $edit]"),
    reruns=("first", "total"),
)
_RESULT = """
import functools
import threading

class Row:
    lock = threading.Lock()

    def __init__(self, n):
        self.n = n

    @functools.cached_property
    def half(self):
        return self.n / $edit

@stage
def made(x):
    return Row(x)

def work(x):
    row = made(x)
    return row.half, isinstance(row, Row)
"""
rerun("a class of results that cannot be copied", "2", "4", _RESULT, reruns=("made",))
keep("how a class of results that cannot be copied is written", "2", "2  # half", _RESULT)
rerun(
    "a bare object that stands for nothing",
    "UNKNOWN",
    "MISSING",
    """
    import kinds
    from kinds import MISSING, UNKNOWN

    @stage
    def named(x, given):
        return "missing" if given is MISSING else "unknown" if given is UNKNOWN else x

    @stage
    def same(x, given=MISSING):
        return given is $edit

    @stage
    def passed(given):
        return [given]

    def work(x):
        found = passed(UNKNOWN)
        return named(x, MISSING), named(x, UNKNOWN), same(x), same(x, UNKNOWN), found[0] is UNKNOWN
""",
    kinds="""
    MISSING, UNKNOWN = object(), object()
""",
    reruns=("same", "same"),
)
