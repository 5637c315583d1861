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
