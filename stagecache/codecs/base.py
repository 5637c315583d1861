"""What a codec is, and which codec has which name; how bytes are laid out is each codec's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

from stagecache.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from typing_extensions import Buffer

Sections: TypeAlias = "Sequence[Buffer]"
"""One or more buffers. A store keeps each aligned to 64 bytes and gives all of them back as
memoryviews: mapped copy-on-write when large, read-only when inline."""

_COPIED = 64 << 20
"""Read-only sections up to this many bytes are copied to be writable; larger ones stay as they
are. A store that could not map 60 GB copy-on-write has no room for a copy of it either, and an
array that refuses to be written to is loud where a leak would be silent."""

_codecs: dict[str, Codec] = {}


class Codec(Protocol):
    """Turns values of some types into sections of bytes and back."""

    name: str
    """Stored with the entry; what :func:`codec` finds it by."""
    safe: bool
    """Decoding can never run code, whatever the bytes are."""

    def accepts(self, value: object) -> bool:
        """Tell cheaply, by type, whether :meth:`encode` is worth trying."""

    def encode(self, value: object) -> Sections:
        """Return `value` as sections, without copies of large buffers where possible.

        Raises
        ------
        EncodeError
            If it cannot.
        """

    def decode(self, sections: Sequence[memoryview]) -> object:
        """Return the value, which may keep writable sections but never shares anything else.

        Writable sections are the caller's alone (a private mapping); read-only ones may be
        shared, so a mutable value never aliases them unless it is read-only itself.

        Raises
        ------
        DecodeError
            If the sections are foreign or damaged; nothing else is raised for that reason.
        """


@runtime_checkable
class Viewer(Protocol):
    """A codec that can decode for a look, without the copies that a decoded value needs."""

    def view(self, sections: Sequence[memoryview]) -> object:
        """Return a value that may alias `sections`; it is only read, then dropped."""


@runtime_checkable
class Framework(Protocol):
    """A codec that can leave elements of a value to others: they are numbered in its bytes."""

    def encode_around(self, value: object, numbers: Mapping[int, int]) -> Sections:
        """Return sections of `value` without the objects in `numbers` (``id`` -> number).

        Raises
        ------
        EncodeError
            If it cannot.
        """

    def decode_around(self, sections: Sequence[memoryview], elements: Sequence[object]) -> object:
        """Return the value with `elements` in the places of their numbers.

        Raises
        ------
        DecodeError
            If the sections are foreign or damaged, or there are too few elements.
        """


def register_codec(added: Codec) -> None:
    """Make a codec known by its name, in place of the one that had the name before.

    Stages use it by ``@stage(codec="name")``. Every process that keeps or reads such results
    registers it; where it is missing they are misses, and one warning says so. Test it by
    :class:`stagecache.testing.codecs.CodecContract`.

    Parameters
    ----------
    added : Codec
        Its name is stored with entries: it is to mean the same layout for ever. It has no ``+``,
        which parts it from a compression.

    Raises
    ------
    ValueError
        If the name has one.

    Examples
    --------
    >>> from stagecache.codecs.plain import Plain
    >>> register_codec(Plain())
    """
    if "+" in added.name:
        raise ValueError(f"{added.name!r} is no name of a codec: what follows a + is a compression")
    _codecs[added.name] = added


def codec(name: str) -> Codec:
    """Return the codec of that name.

    Parameters
    ----------
    name : str
        As stored with an entry; a compression in it is for ``choose.decode`` to undo.

    Raises
    ------
    DecodeError
        If no codec has the name; the entry is of another version or of a missing plugin.

    Examples
    --------
    >>> codec("plain").safe, codec("pickle+zstd").safe
    (True, False)
    """
    try:
        return _codecs[name.partition("+")[0]]
    except KeyError:
        raise DecodeError(
            f"no codec is called {name!r} in this process; there are {', '.join(_codecs)}"
        ) from None


def codec_names() -> tuple[str, ...]:
    """Return the names of all codecs, in the order of their registration.

    Examples
    --------
    >>> "plain" in codec_names()
    True
    """
    return tuple(_codecs)


def owned(section: memoryview) -> Buffer:
    """Return `section` in a form that a mutable value may keep.

    Parameters
    ----------
    section : memoryview
        Writable: a private mapping, returned as it is. Read-only: copied unless huge.

    Examples
    --------
    >>> owned(memoryview(b"inline"))
    bytearray(b'inline')
    """
    if section.readonly and section.nbytes <= _COPIED:
        return bytearray(section)
    return section
