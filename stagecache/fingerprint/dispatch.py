"""Decides who takes a value apart, by its type; does none of it, and imports only who is needed.

Types of libraries are known by name, so that nothing is imported that the value did not bring.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from stagecache.fingerprint.callables import take_code
from stagecache.fingerprint.looking import has_by_itself
from stagecache.fingerprint.names import name_of, shown
from stagecache.fingerprint.objects import take_object
from stagecache.fingerprint.parts import Known, Parts, Refused
from stagecache.fingerprint.registry import registered_for, takers

if TYPE_CHECKING:
    from collections.abc import Callable

    Taker = Callable[[Any], Parts | Known | bytes]

_HERE = __name__.rpartition(".")[0]

_EXACT = {
    "containers": {
        "builtins": "list tuple dict set frozenset range slice memoryview mappingproxy "
        "dict_keys dict_values dict_items",
    },
    "plain": {
        "datetime": "datetime date time timedelta timezone",
        "decimal": "Decimal Context",
        "fractions": "Fraction",
        "uuid": "UUID",
        "re": "Pattern",
        "_regex": "Pattern",
        "_struct": "Struct",
        "builtins": "object",
        "_contextvars": "ContextVar",
    },
    "callables": {
        "builtins": "function builtin_function_or_method method method-wrapper "
        "wrapper_descriptor method_descriptor classmethod_descriptor code",
        "functools": "_lru_cache_wrapper partial",
        "weakref": "ReferenceType WeakMethod",
    },
    "files": {"stagecache": "File"},
    "replays": {"stagecache": "Replay"},
}
"""Module of this folder -> package -> names of types, without their subclasses."""

_FAMILY = {
    "containers": {"builtins": "set frozenset", "rpds": "HashTrieMap HashTrieSet"},
    "plain": {
        "enum": "Enum",
        "pathlib": "PurePath",
        "zoneinfo": "ZoneInfo",
        "_hashlib": "HASH HMAC",
        "_blake2": "blake2b blake2s",
        "hmac": "HMAC",
    },
    "callables": {
        "builtins": "type module",
        "toolz": "curry",
        "cytoolz": "curry",
        "_wrappers": "ObjectProxy",
    },
    "arrays": {
        "numpy": "ndarray generic dtype MaskedArray Generator RandomState BitGenerator "
        "SeedSequence",
    },
    "frames": {
        "pandas": "DataFrame Series Index RangeIndex MultiIndex DatetimeIndex TimedeltaIndex "
        "Timestamp Timedelta",
    },
    "columns": {
        "pandas": "Categorical BaseMaskedArray ArrowStringArray StringArray ArrowExtensionArray "
        "DatetimeArray TimedeltaArray PeriodArray IntervalArray SparseArray NumpyExtensionArray",
    },
    "arrow": {
        "pyarrow": "Table RecordBatch Array ChunkedArray Scalar Schema Field DataType Buffer "
        "KeyValueMetadata",
    },
    "polars": {"polars": "DataFrame Series Expr"},
    "handles": {
        "_io": "FileIO BufferedReader TextIOWrapper",
        "gzip": "GzipFile",
        "bz2": "BZ2File",
        "lzma": "LZMAFile",
        "fsspec": "LocalFileOpener",
        "zipfile": "ZipFile",
        "tarfile": "TarFile",
        "mmap": "mmap",
        "pyarrow": "NativeFile Dataset",
        "polars": "LazyFrame",
        "ctypes": "CDLL",
        "dbm": "_Database",
    },
    "databases": {
        "sqlite3": "Connection Cursor",
        "_duckdb": "DuckDBPyConnection",
        "duckdb": "DuckDBPyRelation",
    },
}
"""The same with their subclasses; the nearest base decides."""


def _table(names: dict[str, dict[str, str]]) -> dict[tuple[str, str], str]:
    return {
        (package, name): module
        for module, packages in names.items()
        for package, listed in packages.items()
        for name in listed.split()
    }


_exact, _family = _table(_EXACT), _table(_FAMILY)


def take_apart(value: object) -> Parts | Known | bytes:
    """Return the parts of a value, or its digest if it has none, or what is known of it already.

    Raises
    ------
    Refused
        If it cannot be taken apart soundly.
    """
    kind = type(value)
    taker = takers.get(kind)
    if taker is None:
        if len(takers) >= _ENOUGH:  # a running program may make classes without end
            takers.clear()
        taker = takers[kind] = _taker(kind)
    return taker(value)


_ENOUGH = 4096


def _taker(kind: type) -> Taker:
    registered = registered_for(kind)
    if registered is not None:
        return _standing_in(kind, registered, f"registered for {shown(kind)}")
    if has_by_itself(kind, "__stagecache_fingerprint__"):
        own: Any = kind.__stagecache_fingerprint__  # type: ignore[attr-defined]
        return _standing_in(kind, own, f"`{shown(kind)}.__stagecache_fingerprint__`")
    if has_by_itself(kind, "__stagecache_code__"):
        return take_code
    module = _exact.get(_name(kind))
    if module is not None:
        return _listed(module, kind.__qualname__)
    for base in kind.__mro__:
        name = _name(base)
        module = _family.get(name)
        if module is not None:
            return _listed(module, name[1])
    return take_object


def _standing_in(kind: type, function: Callable[[Any], object], who: str) -> Taker:
    def take(value: Any) -> Parts:
        name, ref = name_of(kind)
        try:
            standing_in = function(value)
        except Exception as error:
            raise Refused(
                f"the fingerprint function {who} raised {type(error).__name__}: {error}",
                "Correct that function.",
            ) from error
        return Parts(b"stands for:" + name, (standing_in,), ref=ref, label=lambda _: "")

    return take


def _name(kind: type) -> tuple[str, str]:
    return str(kind.__module__).partition(".")[0], kind.__qualname__


def _listed(module: str, name: str) -> Taker:
    found: Taker = importlib.import_module(f"{_HERE}.{module}").TAKERS[name]
    return found
