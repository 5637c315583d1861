"""Words a value for people, shortly and cheaply: ``DataFrame 27004x19``. It decides nothing."""

from __future__ import annotations

from typing import Any

from stagecache.fingerprint.looking import own_names

_LONGEST = 40


def label(value: object) -> str:
    """Return a few words by which a person recognises a value.

    Parameters
    ----------
    value : object
        Anything; its own ``repr`` is never called.

    Examples
    --------
    >>> label(5), label("a" * 99), label([1, 2]), label({})
    ('int 5', "str 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa…'", 'list of 2', 'dict of 0')
    """
    kind = type(value)
    if value is None or value is ...:
        return str(value)
    if kind in (bool, int, float, complex, str, bytes):
        return f"{kind.__name__} {_shortened(value)}"
    name = kind.__name__
    if isinstance(value, list | tuple | dict | set | frozenset):
        return f"{name} of {len(value)}"
    if isinstance(value, type) or hasattr(kind, "__code__"):
        return f"{name} {getattr(value, '__qualname__', '')}".rstrip()
    package = str(kind.__module__).partition(".")[0]
    if package == "stagecache" and name == "File":
        return f"File {getattr(value, 'counted_name', None) or getattr(value, 'name', '')}"
    if package in ("pathlib", "datetime", "uuid", "decimal", "fractions"):
        return f"{name} {_cut(str(value))}"
    shape = _shape(value, package)
    if shape:
        return f"{name} {shape}"
    named = own_names(value).get("__qualname__")
    return f"{name} {named}" if isinstance(named, str) else name


def _shortened(value: Any) -> str:
    if isinstance(value, int) and value.bit_length() > 130:
        return f"of {value.bit_length()} bits"
    if isinstance(value, str | bytes) and len(value) > _LONGEST:
        text = repr(value[: _LONGEST - 1])
        return f"{text[:-1]}…{text[-1]}"
    return repr(value)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _shape(value: Any, package: str) -> str:
    if package not in ("pandas", "numpy", "pyarrow", "polars"):
        return ""
    shape = getattr(value, "shape", None)
    if shape is None or callable(shape):
        try:
            shape = (len(value),)
        except TypeError:
            return ""
    return "x".join(str(size) for size in shape)
