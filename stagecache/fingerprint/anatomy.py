"""Digests those parts of a value that a person would name: columns, keys, positions.

Which of them have changed is for ``plan`` to say; no key rests on them.
"""

from __future__ import annotations

import sys
from itertools import islice
from typing import TYPE_CHECKING, Any

from stagecache.fingerprint.code import complete
from stagecache.fingerprint.containers import short
from stagecache.fingerprint.dispatch import take_apart
from stagecache.fingerprint.parts import Known
from stagecache.fingerprint.values import fingerprint
from stagecache.model import MOST_PARTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from stagecache.model import Digest

LARGEST = 64_000_000
"""Bytes. Taking a value apart costs one more pass over it; above this nobody pays for that."""

_OBJECT = 512
"""Bytes that are digested in the time that one Python object takes."""
_LONGEST = 56
"""Characters of a label."""
_FRAMES = (
    ("pandas", ("DataFrame",)),
    ("pyarrow", ("Table", "RecordBatch")),
    ("polars", ("DataFrame",)),
)
_FACTS = {".index": "index", ".schema": "schema"}


def parts_of(value: object) -> tuple[tuple[str, Digest], ...]:
    """Return labels and digests of the parts of a dict, list, tuple or frame.

    A label is a noun, or a noun and a name (``column 'delay'``, ``key 'db'``, ``position 3``), or
    a number that speaks for itself (``rows: 27004``). Each label is there once.

    Parameters
    ----------
    value : object
        Anything; of other types, and of what is larger than ``LARGEST``, nothing is told.

    Returns
    -------
    tuple of (str, Digest)
        At most ``MOST_PARTS``.

    Raises
    ------
    Exception
        As :func:`~stagecache.fingerprint.values.fingerprint` does.

    Examples
    --------
    >>> [label for label, _ in parts_of({"low": 1, "high": 2})]
    ["key 'low'", "key 'high'"]
    >>> [label for label, _ in parts_of(["a", "b"])]
    ['length: 2', 'position 0', 'position 1']
    >>> parts_of(5)
    ()
    """
    if type(value) in (dict, list, tuple):
        named = _of_container(value)
    elif _is_frame(value):
        named = _of_frame(value)
    else:
        return ()
    if _weight(value) > LARGEST:
        return ()
    found: dict[str, Digest] = {}
    for label, part in islice(named, MOST_PARTS):
        found[_unique(label, found)] = _digest(part)
    return tuple(found.items())


def _of_container(value: Any) -> Iterator[tuple[str, object]]:
    if type(value) is dict:
        yield from ((f"key {short(key)}", part) for key, part in value.items())
        return
    yield f"length: {len(value)}", len(value)
    yield from ((f"position {at}", part) for at, part in enumerate(value))


def _of_frame(value: Any) -> Iterator[tuple[str, object]]:
    rows = value.num_rows if hasattr(value, "num_rows") else len(value)
    yield f"rows: {rows}", rows
    parts = take_apart(value)
    if isinstance(parts, bytes | Known) or parts.label is None:
        return
    columns, rest = [], []
    for at, child in enumerate(parts.children):
        label = parts.label(at)
        if label.startswith("["):
            columns.append((f"column {label[1:-1]}", child))
        elif label in _FACTS:
            yield _FACTS[label], child
        elif label != ".columns":  # it would change with each column that is added
            rest.append(_digest(child))
    if type(value).__module__.startswith("pandas"):
        yield "attributes", rest
        labels = value.columns
        yield "labels", [type(labels).__name__, str(labels.dtype), list(labels.names)]
    yield from columns


def _unique(label: str, taken: dict[str, Digest]) -> str:
    if len(label) > _LONGEST:
        label = f"{label[: _LONGEST - 3]}..."
    if label not in taken:
        return label
    return next(new for n in range(2, MOST_PARTS + 2) if (new := f"{label} ({n})") not in taken)


def _digest(part: object) -> Digest:
    found = fingerprint(part, name="part")
    return complete(found) if found.refs else found.digest


def _is_frame(value: object) -> bool:
    for package, names in _FRAMES:
        module = sys.modules.get(package)
        if module is not None and isinstance(value, tuple(getattr(module, n) for n in names)):
            return True
    return False


def _weight(value: Any, depth: int = 3) -> int:
    """Return roughly how many bytes have to be digested."""
    if type(value) in (dict, list, tuple):
        elements: Iterable[Any] = value.values() if type(value) is dict else value
        if depth == 3:
            elements = islice(elements, MOST_PARTS)
        elif depth == 0 or len(value) > 1_000:
            return _OBJECT * len(value)
        return sum(_weight(element, depth - 1) for element in elements)
    if isinstance(value, str | bytes | bytearray):
        return _OBJECT + len(value)
    if type(value) is Known or type(value).__module__.partition(".")[0] not in _SIZED:
        return _OBJECT
    if hasattr(value, "memory_usage"):  # of pandas
        used = value.memory_usage(index=False)
        kinds = list(value.dtypes) if hasattr(value, "columns") else [value.dtype]
        return int(getattr(used, "sum", lambda: used)()) + _OBJECT * len(value) * kinds.count("O")
    estimated = getattr(value, "estimated_size", None)  # of polars
    return int(estimated() if estimated is not None else getattr(value, "nbytes", _OBJECT))


_SIZED = ("numpy", "pandas", "pyarrow", "polars")
