"""Edits of files that a body reads in ways of its own: in C, by links, in trees."""

from __future__ import annotations

import textwrap
from importlib.util import find_spec

from cases import keep, move, rerun

_FILES = {"data.txt": "$edit", "data.csv": "a\n$edit"}


def _reads(name: str, body: str, needs: str = "") -> None:
    """Add a case in which a body reads ``data.txt``."""
    if not needs or find_spec(needs.partition(".")[0]) is not None:
        rerun(f"read by {name}", "5", "6", _stage(body), files=_FILES)


def _stage(body: str) -> str:
    body = textwrap.dedent(body).strip()
    if "@stage" in body:
        return body
    return "@stage\ndef work(x):\n" + textwrap.indent(body, "    ")


_reads("linecache", "import linecache\nreturn linecache.getline('data.txt', 1)")
_reads(
    "linecache, after somebody else",
    """
    from linecache import getline

    @stage
    def work(x):
        return getline("data.txt", 1)

    @stage
    def other(x):
        return getline("data.txt", 1)
    """,
)
_reads("a file of arrow", "import pyarrow as pa\nreturn pa.OSFile('data.txt').read()")
_reads("a map of arrow", "import pyarrow as pa\nreturn pa.memory_map('data.txt').read()")
_FS = "from pyarrow.fs import LocalFileSystem, FileSelector\n"
_reads("arrow's file system", _FS + "return LocalFileSystem().open_input_file('data.txt').read()")
_reads("arrow's streams", _FS + "return LocalFileSystem().open_input_stream('data.txt').read()")
_reads(
    "fsspec",
    "import fsspec\nwith fsspec.open('data.txt') as file:\n    return file.read()",
)
_reads(
    "a map",
    "import mmap\nwith open('data.txt') as f:\n    return mmap.mmap(f.fileno(), 1, prot=1)[:]",
)
_reads("numpy's map", "import numpy as np\nreturn bytes(np.memmap('data.txt', 'u1', 'r'))")
_reads(
    "runpy", "import runpy\nreturn runpy.run_path('data.txt')['__name__'] + open('data.txt').read()"
)
_reads("exec", "names = {}\nexec('y = ' + open('data.txt').read(), names)\nreturn names['y']")
_reads(
    "DuckDB with a bound path",
    """
    import duckdb, pyarrow
    name = "data" + chr(46) + "csv"
    return duckdb.execute("select * from read_csv(?)", [name]).fetchall()
    """,
)
_reads(
    "DuckDB from a literal",
    "import duckdb, pyarrow\nreturn duckdb.sql(\"from 'data.csv'\").fetchall()",
)
_reads("DuckDB's reader", "import duckdb, pyarrow\nreturn duckdb.read_csv('data.csv').fetchall()")
_reads("a lazy frame", "import polars as pl\nreturn pl.scan_csv('data.csv').collect().rows()")
_reads(
    "polars' SQL",
    "import polars as pl\nreturn pl.sql(\"select * from read_csv('data.csv')\").collect().rows()",
)

_PACKAGE = {"pkg/__init__.py": "", "pkg/data.txt": "$edit"}


def _ships(name: str, use: str) -> None:
    """Add a case in which a body reads what lies in a package of the user's."""
    rerun(f"resource by {name}", "5", "6", _stage(use), files=_PACKAGE)


_ships(
    "importlib.resources",
    "from importlib.resources import files\nreturn files('pkg').joinpath('data.txt').read_text()",
)
_ships(
    "importlib.resources.read_text",
    "import importlib.resources as r\nreturn r.read_text('pkg', 'data.txt')",
)
_ships("pkgutil", "import pkgutil\nreturn pkgutil.get_data('pkg', 'data.txt')")
rerun(
    "module by runpy",
    "5",
    "6",
    _stage("import runpy\nreturn runpy.run_path('other.py')['LIMIT']"),
    files={"other.py": "LIMIT = $edit"},
)
rerun(
    "module by its path",
    "5",
    "6",
    _stage(
        """
import importlib.util
spec = importlib.util.spec_from_file_location("other", "other.py")
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
return module.LIMIT
"""
    ),
    files={"other.py": "LIMIT = $edit"},
)

_LINKS = """
import os
from pathlib import Path

for name, target in (("one", "a"), ("link", "$edit")):
    if os.path.lexists(name):
        os.unlink(name)
    os.symlink(target, name)

@stage
def work(x):
    return {use}
"""


def _follows(name: str, use: str) -> None:
    """Add a case in which a link points elsewhere, at a file with the same bytes."""
    body = _LINKS.replace("{use}", use)
    rerun(f"link by {name}", "v1.txt", "v2.txt", body, files={"v1.txt": "5", "v2.txt": "5"})


_follows("os.readlink", "os.readlink('link')")
_follows("Path.readlink", "str(Path('link').readlink())")
_follows("os.path.realpath", "os.path.basename(os.path.realpath('link'))")
_follows("Path.resolve", "Path('link').resolve().name")
_follows("os.path.samefile", "os.path.samefile('link', 'v1.txt')")

_TOUCHED = """
import os
from pathlib import Path

os.utime("data.txt", ($edit, $edit))

@stage
def work(x):
    return {use}
"""


def _dates(name: str, use: str) -> None:
    """Add a case in which a file gets older."""
    rerun(f"age by {name}", "1000", "2000", _TOUCHED.replace("{use}", use), files={"data.txt": "5"})


_dates("os.path.getmtime", "os.path.getmtime('data.txt')")
_dates("Path.stat", "Path('data.txt').stat().st_mtime")
_dates("os.stat", "os.stat('data.txt').st_mtime_ns")
keep(
    "age of a file that is only read",
    "1000",
    "2000",
    _TOUCHED.replace("{use}", "open('data.txt').read()"),
    files={"data.txt": "5"},
)
keep(
    "age of a file of which only the size is asked",
    "1000",
    "2000",
    _TOUCHED.replace("{use}", "os.path.getsize('data.txt')"),
    files={"data.txt": "5"},
)

_TREE = {"tree/a/b/one.txt": "1", "tree/c/two.txt": "2"}


def _walks(name: str, use: str) -> None:
    """Add a case in which a file comes into a deep folder."""
    body = _stage("import os, glob\nfrom pathlib import Path\n" + f"return {use}")
    more = {**_TREE, "tree/a/b/three.txt": "3"}
    move(f"tree by {name}", body, body, before=_TREE, after=more, reruns=("work",))


_walks("glob", "sorted(glob.glob('tree/**/*.txt', recursive=True))")
_walks("rglob", "sorted(map(str, Path('tree').rglob('*.txt')))")
_walks("os.walk", "sorted(f for _, _, fs in os.walk('tree') for f in fs)")

_ABLE = _stage("import os\nreturn os.access('extra.txt', os.R_OK)")
move("file looked for by os.access", _ABLE, _ABLE, after={"extra.txt": "1"}, reruns=("work",))
_FREE = _stage("import shutil\nreturn shutil.disk_usage('.').total > 0")
move("space on the disk", _FREE, _FREE, after={"extra.txt": "1" * 100_000})
rerun(
    "frame by the name of a variable in DuckDB",
    "5",
    "6",
    """
    import duckdb
    import pandas as pd
    FRAME = pd.DataFrame({"a": [$edit]})

    @stage
    def work(x):
        return duckdb.sql("select a from FRAME").fetchall()
""",
)

for _name, _program in {
    "a file in the text of": "['-c', 'print(open(\"n.txt\").read())']",
    "a module in the text of": "['-c', 'import tools; print(tools.SIZE)']",
    "a module that is run by": "['-m', 'tools']",
}.items():
    rerun(
        f"{_name} a program of another Python",
        "5",
        "6",
        f"""
    import subprocess, sys

    @stage
    def work(x):
        told = [sys.executable, "-B", *{_program}]
        return subprocess.run(told, capture_output=True, text=True, check=True).stdout
""",
        files={"n.txt": "$edit", "tools.py": "SIZE = $edit\nprint(SIZE)"},
    )

_PICKLE = """
    import pickle
    from pathlib import Path
    import shapes

    {write}

    {read}
"""
_SHAPES = """
    class Square:
        def __init__(self, side):
            self.side = side

        def area(self):
            return self.side ** {power}

    class Circle:
        def area(self):
            return {other}
"""
_WRITTEN = "Path('shape.pickle').write_bytes(pickle.dumps(shapes.Square(3), 0))"
_PICKLED = {
    "a pickle": (_WRITTEN, "return pickle.loads(Path('shape.pickle').read_bytes()).area()"),
    "a pickle of joblib": (
        "import joblib\n    joblib.dump([shapes.Square(3)], 'shape.pickle')",
        "return joblib.load('shape.pickle')[0].area()",
    ),
    "a pickle of pandas": (
        _WRITTEN,
        "import pandas\n    return pandas.read_pickle('shape.pickle').area()",
    ),
}
for _name, (_write, _read) in _PICKLED.items():
    _main = _PICKLE.format(
        write=_write,
        read="@stage\n    def work(x):\n        " + _read.replace("\n    ", "\n        "),
    )
    rerun(
        f"a class that {_name} names", "2", "3", _main,
        shapes=_SHAPES.format(power="$edit", other="3"), edited="shapes.py",
    )  # fmt: skip
keep(
    "a class beside the one that a pickle names", "2", "3", _main,
    shapes=_SHAPES.format(power="2", other="$edit"), edited="shapes.py",
)  # fmt: skip

_PROGRAM = """
    import os
    import subprocess
    import sys

    @stage
    def work(x):
        environ = {{**os.environ, "PYTHONPATH": "paths", "PYTHONDONTWRITEBYTECODE": "1"}}
        done = subprocess.run({told}, env=environ, capture_output=True, text=True, check=True{how})
        return done.stdout
"""
_TOOLS = {
    "tools/run.py": "from parts.area import SIZE\nprint(SIZE)",
    "tools/__init__.py": "",
    "tools/__main__.py": "from .parts import area\nprint(area.SIZE)",
    "tools/parts/__init__.py": "",
    "tools/parts/area.py": "def size():\n    from far import SIZE\n    return SIZE\nSIZE = size()",
    "paths/far.py": "import json\nSIZE = $edit",
}
_STARTED = {
    "a script": ("[sys.executable, '-X', 'utf8', 'tools/run.py', '7']", ""),
    "a script, by a shell": ("f'{sys.executable} tools/run.py | cat'", ", shell=True"),
    "a module": ("[sys.executable, '-m', 'tools']", ""),
    "the text of a program": (
        "[sys.executable, '-c', 'from tools.parts import area as a; print(a.SIZE)']",
        "",
    ),
}
for _name, (_told, _how) in _STARTED.items():
    rerun(
        f"a module behind others that {_name} imports, which is started", "5", "6",
        _PROGRAM.format(told=_told, how=_how), files=_TOOLS,
    )  # fmt: skip
keep(
    "a module beside those that a script imports, which is started", "5", "6",
    _PROGRAM.format(told="[sys.executable, 'tools/run.py']", how=""),
    files={**_TOOLS, "paths/far.py": "SIZE = 5", "paths/other.py": "SIZE = $edit"},
)  # fmt: skip
