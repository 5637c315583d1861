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
_NATIVE = re.compile(rb"\.(?:so|pyd|dylib)(?:\.[\d.]+)?,")


def unseen(packages: Iterable[str]) -> tuple[str, ...]:
    """Return those of some distributions that may open files unseen, sorted.

    Parameters
    ----------
    packages : iterable of str
        Normal names of distributions of which something was met.

    Examples
    --------
    >>> unseen(["pandas", "requests"])
    ()
    """
    return tuple(sorted(name for name in set(packages) - _SEEN if _has_native_code(name)))


@functools.lru_cache(maxsize=1024)
def _has_native_code(package: str) -> bool:
    return _NATIVE.search(record_of(package)) is not None
