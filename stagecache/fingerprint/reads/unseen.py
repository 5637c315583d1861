"""Decides which installed libraries may open files that nobody sees.

Those have modules in C, and neither are their readers wrapped (``bypasses``), nor do they leave it
to Python to open files.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING

from stagecache.fingerprint.origin import record_of

if TYPE_CHECKING:
    from collections.abc import Iterable

_WRAPPED = "numpy pandas pyarrow polars polars-runtime-32 duckdb"
_OPENING_BY_PYTHON = """
fonttools ipython lz4 matplotlib msgspec pillow pydantic scikit-image scikit-learn scipy
statsmodels torch zstandard
"""
_OPENING_NOTHING = """
aiohttp asyncpg backports-zstd bcrypt blake3 blis bottleneck brotli cachebox cffi charset-
normalizer contourpy coverage cramjam crc32c cryptography cymem cython cytoolz debugpy
frozenlist gevent greenlet grpcio h3 hiredis httptools jax jaxlib jiter kiwisolver lazy-
object-proxy levenshtein librt llvmlite markupsafe msgpack multidict murmurhash mypy numba
numexpr orjson preshed propcache protobuf psutil psycopg-binary psycopg-c psycopg2
psycopg2-binary pydantic-core pymongo pynacl pyproj python-rapidjson python-snappy pyyaml
pyzmq rapidfuzz regex rpds-py ruamel-yaml-clib setproctitle shapely simplejson sqlalchemy
thinc tiktoken tornado ujson uvloop watchfiles websockets wrapt xxhash yarl
"""
_SEEN = frozenset(f"{_WRAPPED} {_OPENING_BY_PYTHON} {_OPENING_NOTHING}".split())
_UNSEEN_OF_ARROW = frozenset({"OSFile", "LocalFileSystem"})
"""Types in C that cannot be wrapped without breaking ``isinstance``."""
_NATIVE = re.compile(rb"\.(?:so|pyd|dylib)(?:\.[\d.]+)?,")


def unseen(mentions: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """Return the distributions that may open files unseen, or what of them may, sorted.

    Parameters
    ----------
    mentions : iterable of (str, str)
        Normal names of distributions of which something was met, and what.

    Examples
    --------
    >>> unseen([("pandas", "pandas.concat"), ("pyarrow", "pyarrow.OSFile")])
    ('pyarrow.OSFile',)
    """
    found = set()
    for package, name in mentions:
        if package not in _SEEN and _has_native_code(package):
            found.add(package)
        elif package == "pyarrow" and name.rpartition(".")[2] in _UNSEEN_OF_ARROW:
            found.add(f"pyarrow.{name.rpartition('.')[2]}")
    return tuple(sorted(found))


@functools.lru_cache(maxsize=1024)
def _has_native_code(package: str) -> bool:
    return _NATIVE.search(record_of(package)) is not None
