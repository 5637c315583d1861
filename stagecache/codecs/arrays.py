"""The codec of numpy arrays and scalars without objects: a small header and the raw buffer."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Any

from stagecache.codecs.base import owned
from stagecache.codecs.plain import Plain
from stagecache.errors import DecodeError, EncodeError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from typing_extensions import Buffer

    from stagecache.codecs.base import Sections

_KINDS = frozenset("biufcmMSUV")
_header = Plain()


class Arrays:
    """Holds numpy arrays of numbers, times, fixed-width text and records of them.

    Subclasses of ``ndarray``, and dtypes of other packages, are left to other codecs.

    Examples
    --------
    >>> import numpy as np
    >>> codec = Arrays()
    >>> sections = codec.encode(np.arange(3, dtype="int16"))
    >>> codec.decode([memoryview(section) for section in sections])
    array([0, 1, 2], dtype=int16)
    """

    name = "array"
    safe = True

    def accepts(self, value: object) -> bool:
        """Tell whether `value` is an array or a scalar of numpy."""
        np = sys.modules.get("numpy")
        return np is not None and (type(value) is np.ndarray or isinstance(value, np.generic))

    def encode(self, value: object) -> Sections:
        """Return dtype, shape and order in a header, then the array's own memory."""
        import numpy as np

        assert isinstance(value, (np.ndarray, np.generic))
        is_scalar = isinstance(value, np.generic)
        array = np.asarray(value)
        descr = _describe(array.dtype)
        order = "C"
        if not array.flags.c_contiguous:
            if array.flags.f_contiguous:
                order = "F"
            else:
                array = np.ascontiguousarray(array)
        flat: Any = array.ravel(order="K").view(np.uint8) if array.nbytes else b""
        header = _header.encode((descr, array.shape, order, is_scalar))
        return [*header, memoryview(flat)]

    def decode(self, sections: Sequence[memoryview]) -> object:
        """Return the array over its writable section, or over a copy."""
        return _decode(sections, owned)

    def view(self, sections: Sequence[memoryview]) -> object:
        """Return the array over a read-only view of its section."""
        return _decode(sections, memoryview.toreadonly)


def _describe(dtype: np.dtype[Any]) -> Any:
    import numpy as np

    if dtype.hasobject or dtype.kind not in _KINDS:
        raise EncodeError(f"an array of {dtype} is not raw memory")
    if _has_metadata(dtype):
        raise EncodeError(f"the metadata of the dtype {dtype} would be lost")
    descr = np.lib.format.dtype_to_descr(dtype)
    if _build(descr) != dtype:
        raise EncodeError(f"the dtype {dtype} cannot be described exactly")
    return descr


def _build(descr: Any) -> np.dtype[Any]:
    import numpy as np

    dtype = np.lib.format.descr_to_dtype(descr)
    if dtype.hasobject or dtype.kind not in _KINDS:
        raise DecodeError(f"an array of {dtype} is not raw memory")
    return dtype


def _has_metadata(dtype: np.dtype[Any]) -> bool:
    parts = [dtype[name] for name in dtype.names or ()]
    return dtype.metadata is not None or any(_has_metadata(part.base) for part in parts)


def _has_only_characters(array: np.ndarray[Any, Any]) -> bool:
    """Tell whether every code point of text exists; numpy fails in many ways on others."""
    import numpy as np

    dtype = array.dtype
    if dtype.names is not None:
        return all(_has_only_characters(array[name]) for name in dtype.names)
    if dtype.kind != "U" or not array.nbytes:
        return True
    points = np.dtype([("", f"{dtype.byteorder}u4", (dtype.itemsize // 4,))])
    return bool(array.view(points)["f0"].max() <= sys.maxunicode)


def _decode(sections: Sequence[memoryview], own: Callable[[memoryview], Buffer]) -> object:
    if len(sections) != 2:
        raise DecodeError("an array has a header and one buffer")
    header: Any = _header.decode(sections[:1])
    try:
        return _array(header, sections[1], own)
    except DecodeError:
        raise
    except Exception as error:
        raise DecodeError(f"damaged array: {type(error).__name__}: {error}") from error


def _array(header: Any, section: memoryview, own: Callable[[memoryview], Any]) -> object:
    import numpy as np

    descr, shape, order, is_scalar = header
    dtype = _build(descr)
    if any(type(extent) is not int or extent < 0 for extent in shape):
        raise DecodeError("an array with an impossible shape")
    if math.prod(shape, start=dtype.itemsize) != section.nbytes or order not in ("C", "F"):
        raise DecodeError("an array whose buffer does not fit its header")
    array: np.ndarray[Any, Any] = np.ndarray(shape, dtype, buffer=own(section), order=order)
    if not _has_only_characters(array):
        raise DecodeError("an array of text with characters that do not exist")
    return array.copy()[()] if is_scalar else array
