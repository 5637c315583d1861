"""Edits in projects of several files, as data jobs are."""

from __future__ import annotations

from cases import keep, rerun

_REGISTRY = """
METRICS = {}

def metric(name, *, order=0):
    def register(function):
        METRICS[name] = function
        function.order = order
        return function
    return register

@metric("total", order=2)
def total(rows):
    return sum(rows)

@metric("count", order=$edit)
def count(rows):
    return len(rows)

def all_metrics(rows):
    return [(name, f(rows)) for name, f in sorted(METRICS.items(), key=lambda p: p[1].order)]
"""
rerun(
    "order that a decorator puts onto functions of a registry",
    "1",
    "3",
    """
    from metrics import all_metrics

    @stage
    def work(x):
        return all_metrics([x, x])
""",
    metrics=_REGISTRY,
)
keep(
    "note on a function that no code asks for",
    "first",
    "second",
    """
    from metrics import METRICS

    @stage
    def work(x):
        return METRICS["total"]([x, x])
""",
    metrics="""
    METRICS = {}

    def metric(name, note):
        def register(function):
            METRICS[name] = function
            function.note = note
            return function
        return register

    @metric("total", "$edit")
    def total(rows):
        return sum(rows)
""",
)
keep(
    "comment beside a wrapper that counts its calls by setattr",
    "",
    "# counted",
    """
    from helpers import plus

    @stage
    def work(x, how=None):
        return plus(x), getattr(how, "n", None)
""",
    helpers="""
    def counted(function):
        def inner(*args):
            setattr(inner, "n", getattr(inner, "n", 0) + 1)
            return function(*args)
        return inner

    @counted
    def plus(x):
        $edit
        return x + 1
""",
)
rerun(
    "limit beside an open connection",
    "5",
    "6",
    """
    from app import APP

    @stage
    def work(x):
        return APP.limit * x + APP.options["k"]
""",
    app="""
    import sqlite3
    import threading

    class App:
        def __init__(self, limit, **options):
            self.limit = limit
            self.options = options
            self.lock = threading.Lock()
            self.connection = sqlite3.connect(":memory:")

    APP = App($edit, k=1)
""",
)
rerun(
    "namespace that exec fills from text",
    "2",
    "3",
    """
    RULES = {}
    exec("rate = $edit\\ndef rule(x): return x * rate", RULES)

    @stage
    def work(x):
        return RULES["rule"](x)
""",
)
rerun(
    "namespaces of polars",
    "2",
    "3",
    """
    import polars as pl
    import namespaces

    @stage
    def work(x):
        return pl.DataFrame({"a": [x]}).tidy.rows().select(pl.col("a").money.gross()).item()
""",
    namespaces="""
    import polars as pl

    @pl.api.register_expr_namespace("money")
    class Money:
        def __init__(self, expr):
            self._expr = expr

        def gross(self, factor=$edit):
            return self._expr * factor

    @pl.api.register_dataframe_namespace("tidy")
    class Tidy:
        def __init__(self, frame):
            self._frame = frame

        def rows(self):
            return self._frame.head(1)
""",
)
rerun(
    "frame that only a query names",
    "three",
    "drei",
    """
    import duckdb
    import pandas as pd
    from queries import NAME

    names = pd.DataFrame({"k": [3], "name": ["$edit"]})

    @stage
    def work(x):
        asked = pd.DataFrame({"k": [x]})
        return duckdb.sql(NAME).fetchall(), len(asked)
""",
    queries="NAME = 'select name from names join asked using (k)'",
)
