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
