"""Edits of files that a module has open, and its stages read."""

from __future__ import annotations

import textwrap

from cases import keep, rerun

_HEAD = """
import bz2, gzip, io, mmap, os, shelve, sqlite3, tarfile, zipfile
from pathlib import Path

def write(path, text):
    if not Path(path).exists() or Path(path).read_bytes() != text:
        Path(path).write_bytes(text)

{make}
{hold}

@stage
def work(x):
    return {use}
"""


def _reads(name: str, make: str, hold: str, use: str, imports: str = "") -> None:
    """Add a case in which `hold` opens what `make` wrote, and the body reads it by `use`."""
    head = textwrap.dedent(imports).strip() + _HEAD.format(make=make, hold=hold, use=use)
    rerun(f"handle of {name}", "b'5'", "b'6'", head)


_HOLDER = """
class Holder:
    def __init__(self):
        self.file = open("x.txt")

F = Holder()
"""
_TEXT = "write('x.txt', $edit)"
_GZ = "write('x.gz', gzip.compress($edit, mtime=0))"
_BZ = "write('x.bz2', bz2.compress($edit))"
_reads("a text file", _TEXT, "F = open('x.txt')", "F.read()")
_reads("a file of bytes", _TEXT, "F = open('x.txt', 'rb')", "F.read()")
_reads("a raw file", _TEXT, "F = open('x.txt', 'rb', buffering=0)", "F.read()")
_reads("a file in a dict", _TEXT, "F = {'x': open('x.txt')}", "F['x'].read()")
_reads(
    "a file in an object",
    _TEXT,
    _HOLDER,
    "F.file.read()",
)
_reads(
    "a mapped file",
    _TEXT,
    "F = mmap.mmap(os.open('x.txt', 0), 0, access=mmap.ACCESS_READ)",
    "F[:]",
)
_reads(
    "a compressed file",
    _GZ,
    "F = gzip.open('x.gz', 'rt')",
    "F.read()",
)
_reads(
    "another compressed file",
    _BZ,
    "F = bz2.open('x.bz2')",
    "F.read()",
)
_ZIP = """
made = io.BytesIO()
with zipfile.ZipFile(made, "w") as archive:
    archive.writestr(zipfile.ZipInfo("a"), $edit)
write("x.zip", made.getvalue())
"""
_reads("an archive", _ZIP, "F = zipfile.ZipFile('x.zip')", "F.read('a')")
_TAR = """
made = io.BytesIO()
with tarfile.open(fileobj=made, mode="w") as archive:
    info = tarfile.TarInfo("a")
    info.size = 1
    archive.addfile(info, io.BytesIO($edit))
write("x.tar", made.getvalue())
"""
_reads("a tape archive", _TAR, "F = tarfile.open('x.tar')", "F.extractfile('a').read()")
_ROWS = """
if not Path("x.db").exists():
    con = sqlite3.connect("x.db")
    con.execute("create table t (a)")
    con.execute("insert into t values (?)", ($edit.decode(),))
    con.commit()
    con.close()
"""
_SELECT = "CON.execute('select a from t').fetchall()"
_reads("a database", _ROWS, "CON = sqlite3.connect('x.db')", _SELECT)
_reads(
    "a database for reading", _ROWS, "CON = sqlite3.connect('file:x.db?mode=ro', uri=1)", _SELECT
)
_reads("a database's cursor", _ROWS, "CON = sqlite3.connect('x.db').cursor()", _SELECT)
_SHELF = """
import dbm.dumb
if not Path("x.dat").exists():
    with shelve.Shelf(dbm.dumb.open("x")) as made:
        made["a"] = $edit
"""
_reads("a shelf", _SHELF, "F = shelve.Shelf(dbm.dumb.open('x', 'r'))", "F['a']")
_reads("a map of arrow", _TEXT, "F = pa.memory_map('x.txt')", "F.read()", "import pyarrow as pa")
_reads("a file of arrow", _TEXT, "F = pa.OSFile('x.txt')", "F.read()", "import pyarrow as pa")
_reads("a file of fsspec", _TEXT, "F = fsspec.open('x.txt').open()", "F.read()", "import fsspec")
_FRAME = """
import pandas as pd
write("x.csv", b"a\\n" + $edit)
if not Path("x.parquet").exists():
    pd.read_csv("x.csv").to_parquet("x.parquet")
"""
_POLARS = "import polars as pl"
_SUM = "F.select(pl.col('a').sum()).collect().item()"
_reads("a lazy frame", _FRAME, "F = pl.scan_csv('x.csv')", _SUM, _POLARS)
_reads("a lazy frame by a pattern", _FRAME, "F = pl.scan_parquet('*.parquet')", _SUM, _POLARS)
_reads(
    "a lazy frame by a path",
    _FRAME,
    "F = pl.scan_csv(Path('x.csv').resolve())",
    _SUM,
    _POLARS,
)
_DATASET = "import pyarrow.dataset"
_READ = "F.to_table().to_pydict()"
_reads("a dataset", _FRAME, "F = pyarrow.dataset.dataset('x.parquet')", _READ, _DATASET)
keep(
    "handle that is written to",
    "b'5'",
    "b'6'",
    """
    LOG = open("log.txt", "ab")
    LOG.write($edit)

    @stage
    def work(x):
        LOG.write(b"worked")
        return x
""",
)
rerun(
    "a database in memory that lies in something",
    "5",
    "6",
    """
    import json, sqlite3
    from types import SimpleNamespace as Namespace

    def filled():
        con = sqlite3.connect(":memory:")
        con.execute("create table t (a)")
        con.execute("insert into t values (?)", json.load(open("rows.json")))
        return con

    class Orders:
        def __init__(self, con):
            self.con = con

        def total(self):
            return self.con.execute("select sum(a) from t").fetchone()[0]

    ORDERS, NAMES, DICT = Orders(filled()), Namespace(con=filled()), {"list": [filled()]}

    @stage
    def object(x):
        return ORDERS.total()

    @stage
    def namespace(x):
        return NAMES.con.execute("select sum(a) from t").fetchone()[0]

    @stage
    def container(x):
        return DICT["list"][0].execute("select sum(a) from t").fetchone()[0]

    def work(x):
        return object(x), namespace(x), container(x)
""",
    reruns=("object", "namespace", "container"),
    files={"rows.json": "[$edit]"},
)
rerun(
    "functions and macros that databases are given",
    "x * 5",
    "x * 6",
    """
    import duckdb, sqlite3
    import rules

    LITE, DUCK = sqlite3.connect(":memory:"), duckdb.connect()
    rules.give(LITE)
    DUCK.execute("create macro scaled(x) as $edit")
    ROWS = sqlite3.connect(":memory:")
    ROWS.row_factory = rules.row

    @stage
    def lite(x):
        return LITE.execute("select scaled(?)", (x,)).fetchone()[0]

    @stage
    def duck(x):
        return DUCK.execute("select scaled(?)", (x,)).fetchone()[0]

    @stage
    def rows(x):
        return ROWS.execute("select ?", (x,)).fetchone()

    @stage
    def other(x):
        return x

    def work(x):
        return lite(x), duck(x), rows(x), other(x)
""",
    rules="""
    def scaled(x):
        return $edit

    def row(cursor, found):
        return scaled(found[0])

    def give(con):
        con.create_function("scaled", 1, scaled)
""",
    reruns=("lite", "duck", "rows"),
)
rerun(
    "iterators and an adapter of a logger",
    "5",
    "6",
    """
    import itertools, json, logging

    FOUND = json.load(open("found.json"))
    IDS, COLOURS = itertools.count(FOUND[0]), itertools.cycle(FOUND)
    LEFT = itertools.chain(FOUND, [1])
    LOG = logging.LoggerAdapter(logging.getLogger("x"), {"site": FOUND})

    @stage
    def numbered(x):
        return [next(IDS) for _ in range(x)]

    @stage
    def coloured(x):
        return [next(COLOURS) for _ in range(x)]

    @stage
    def left(x):
        return next(LEFT)

    @stage
    def site(x):
        LOG.info("asked")
        return LOG.extra["site"][0]

    @stage
    def silent(x):
        LOG.info("asked")
        return x

    def work(x):
        made = [numbered(1), numbered(1 + 1), coloured(1), coloured(2), coloured(1)]
        return made, left(x), site(x), silent(x)
""",
    reruns=("numbered", "numbered", "coloured", "coloured", "left", "site"),
    files={"found.json": "[$edit, 9]"},
)
rerun(
    "a frame that is registered with a database, while somebody has still to fetch",
    "5",
    "6",
    """
    import duckdb
    import pandas as pd

    CON = duckdb.connect()
    CON.register("rows", pd.DataFrame({"a": [1, $edit]}))
    CON.execute("create table kept as select 1 as b")

    @stage
    def work(x):
        return int(CON.execute("select sum(a) from rows").fetchone()[0]) * x

    @stage
    def other(x):
        return CON.execute("select b from kept").fetchone()[0] * x
""",
    call="(work(1), other(1), work(2))",
    reruns=("work", "work", "other"),
)
