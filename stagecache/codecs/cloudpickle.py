"""The codec of what only cloudpickle can hold: lambdas, local classes, classes of ``__main__``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from stagecache.codecs.pickle import Pickle
from stagecache.codecs.reducers import reducers
from stagecache.errors import DecodeError

if TYPE_CHECKING:
    import pickle
    from collections.abc import Callable
    from io import BytesIO


class Cloudpickle(Pickle):
    """Holds functions and classes by value where they cannot be found by name.

    A class of ``__main__`` is kept both ways and looked for by name first: in the script that
    defines it, ``isinstance(result, Row)`` is to hold after a hit as it did after the run, and
    a copy of the class would not be the class. Where ``__main__`` is something else (a worker,
    another notebook) the copy serves. A class that cannot be copied (it holds a lock, as a
    ``cached_property`` does before Python 3.12) is kept by name alone.

    Examples
    --------
    >>> codec = Cloudpickle()
    >>> sections = codec.encode(lambda x: x + 1)
    >>> codec.decode([memoryview(section) for section in sections])(1)
    2
    """

    name = "cloudpickle"
    safe = False

    def _checked(self, sections: list[Any]) -> list[Any]:
        return sections

    def _pickler(self, stream: BytesIO, keep: Callable[[Any], Any], *how: type) -> pickle.Pickler:
        import cloudpickle  # type: ignore[import-untyped]

        class ByNameFirst(*how, cloudpickle.Pickler):  # type: ignore[misc]
            dispatch_table: ClassVar = {**cloudpickle.Pickler.dispatch_table, **reducers()}

            def reducer_override(self, obj: Any) -> Any:
                if (
                    isinstance(obj, type)
                    and obj.__module__ == "__main__"
                    and "<locals>" not in obj.__qualname__
                ):
                    return main_class, (obj.__qualname__, _copy(obj))
                return super().reducer_override(obj)

        return ByNameFirst(stream, 5, buffer_callback=keep)


def _copy(kind: type) -> bytes:
    import cloudpickle

    try:
        copied: bytes = cloudpickle.dumps(kind)
    except Exception:  # noqa: BLE001 - whatever pickling raises
        return b""
    return copied


def main_class(qualname: str, by_value: bytes) -> type:
    """Return the class of that name in ``__main__``, or else the copy that was kept.

    Parameters
    ----------
    qualname : str
        Dotted, from the top of the module.
    by_value : bytes
        The class as cloudpickle wrote it; empty if it could not.

    Raises
    ------
    DecodeError
        If there is no such class, and no copy.
    """
    import pickle
    import sys

    found: Any = sys.modules.get("__main__")
    for part in qualname.split("."):
        found = getattr(found, part, None)
    if isinstance(found, type):
        return found
    if not by_value:
        raise DecodeError(f"there is no class {qualname} in __main__")
    copied: type = pickle.loads(by_value)
    return copied
