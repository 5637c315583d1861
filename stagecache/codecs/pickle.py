"""The codec of anything pickle can hold: protocol 5, with large buffers out of band, uncopied."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from stagecache.codecs.base import owned
from stagecache.codecs.reducers import IN_BAND, reducers
from stagecache.errors import DecodeError, EncodeError

if TYPE_CHECKING:
    import pickle
    from collections.abc import Callable, Mapping, Sequence
    from io import BytesIO

    from typing_extensions import Buffer

    from stagecache.codecs.base import Sections


class Pickle:
    """Holds what can be found again by name; runs code when it decodes.

    A class or function of ``__main__`` is another thing in every script, so values that name
    one are left to :class:`stagecache.codecs.cloudpickle.Cloudpickle`. A :class:`~stagecache.File`
    inside a value is kept with its contents, as :class:`stagecache.codecs.files.Files` keeps it.

    Examples
    --------
    >>> from decimal import Decimal
    >>> codec = Pickle()
    >>> sections = codec.encode([Decimal("1.10")])
    >>> codec.decode([memoryview(section) for section in sections])
    [Decimal('1.10')]
    """

    name = "pickle"
    safe = False

    def accepts(self, value: object) -> bool:  # noqa: ARG002 - the protocol's
        """Tell that anything is worth trying."""
        return True

    def encode(self, value: object) -> Sections:
        """Return sizes and stream, followed by each large buffer as the value holds it."""
        return self._checked(self._dump(value))

    def encode_around(self, value: object, numbers: Mapping[int, int]) -> Sections:
        """Do the same, with the objects in `numbers` only mentioned by their numbers."""
        return self._checked(self._dump(value, numbers))

    def decode(self, sections: Sequence[memoryview]) -> object:
        """Return the value; its arrays live in the writable sections, or in copies."""
        return _load(sections, owned)

    def decode_around(self, sections: Sequence[memoryview], elements: Sequence[object]) -> object:
        """Do the same, with `elements` where they are mentioned."""
        return _load(sections, owned, elements)

    def view(self, sections: Sequence[memoryview]) -> object:
        """Return the value over read-only views of the sections."""
        return _load(sections, memoryview.toreadonly)

    def _checked(self, sections: list[Any]) -> list[Any]:
        if b"__main__" in sections[1]:
            raise EncodeError("it names something of __main__, which other scripts do not have")
        return sections

    def _dump(self, value: object, numbers: Mapping[int, int] | None = None) -> list[Any]:
        from io import BytesIO

        stream = BytesIO()
        buffers: list[memoryview] = []

        def keep(buffer: pickle.PickleBuffer) -> bool:
            raw = buffer.raw()
            if raw.nbytes < IN_BAND:
                return True
            buffers.append(raw)
            return False

        try:
            how = () if numbers is None else (_numbering(numbers),)
            self._pickler(stream, keep, *how).dump(value)
        except EncodeError:
            raise
        except Exception as error:
            raise EncodeError(f"{type(error).__name__}: {error}") from error
        parts = [stream.getvalue(), *buffers]
        sizes = struct.pack(f"<{len(parts)}Q", *map(len, parts))
        return [sizes, *parts]

    def _pickler(self, stream: BytesIO, keep: Callable[[Any], Any], *how: type) -> pickle.Pickler:
        """Return a pickler, with methods of the classes `how`."""
        import copyreg
        import pickle

        kind = type("Pickler", (*how, pickle.Pickler), {}) if how else pickle.Pickler
        pickler: pickle.Pickler = kind(stream, 5, buffer_callback=keep)
        pickler.dispatch_table = {**copyreg.dispatch_table, **reducers()}
        return pickler


def _numbering(numbers: Mapping[int, int]) -> type:
    class Numbering:
        """Puts numbers for elements; since Python 3.13 only a class may say how."""

        def persistent_id(self, part: Any) -> int | None:
            return numbers.get(id(part))

    return Numbering


def _load(
    sections: Sequence[memoryview],
    own: Callable[[memoryview], Buffer],
    elements: Sequence[object] | None = None,
) -> object:
    import pickle

    if not sections:
        raise DecodeError("a pickle without bytes")
    sizes, *rest = sections
    if struct.pack(f"<{len(rest)}Q", *(part.nbytes for part in rest)) != sizes:
        # Arrow would take a buffer that is too short, and crash when it is read.
        raise DecodeError("a pickle of other sizes than it says")
    try:
        if elements is None:
            return pickle.loads(rest[0], buffers=map(own, rest[1:]))
        from io import BytesIO

        parts = elements

        class Unpickler(pickle.Unpickler):
            """Puts elements in; since Python 3.13 only a class may say how."""

            def persistent_load(self, number: Any) -> object:
                return parts[number]

        return Unpickler(BytesIO(rest[0]), buffers=map(own, rest[1:])).load()
    except DecodeError:
        raise
    except Exception as error:
        raise DecodeError(f"cannot be unpickled: {type(error).__name__}: {error}") from error
