"""The proof that a codec lost nothing: what was encoded, decoded again, is the same value.

What is proven: the sections that are about to be written decode, here and now, to a value of the
expected fingerprint. Large buffers are looked at where they are, so for them the proof costs one
pass of hashing and no copy; that they also reach the disk is for the store's digest to say. No
type is exempt: a buffer that is taken over as it is says nothing about the header that tells
how to read it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagecache.errors import DecodeError, EncodeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from stagecache.codecs.base import Codec, Sections
    from stagecache.model import Digest


def prove(
    codec: Codec, sections: Sections, proof: Callable[[object], Digest], expected: Digest
) -> None:
    """Decode `sections` and compare the fingerprint.

    Parameters
    ----------
    codec : Codec
        That made the sections.
    sections : sequence of buffers
        As they are to be stored; only read.
    proof : callable
        Fingerprints a value.
    expected : Digest
        Fingerprint of the original.

    Raises
    ------
    EncodeError
        If the sections do not decode, or to something else.

    Examples
    --------
    >>> from stagecache.codecs.plain import Plain
    >>> prove(Plain(), Plain().encode([1]), lambda value: repr(value).encode(), b"[1]")
    """
    views = [memoryview(section).cast("B").toreadonly() for section in sections]
    try:
        view: Callable[[Sections], object] | None = getattr(codec, "view", None)  # a `Viewer` has
        same = view is not None and proof(view(views)) == expected
    except Exception:  # noqa: BLE001 - a class may write to its arrays as it is unpickled
        same = False
    if same:
        return
    try:
        decoded = proof(codec.decode(views))
    except DecodeError as error:
        raise EncodeError(f"what it wrote does not decode: {error}") from error
    except Exception as error:
        raise EncodeError(f"what it decodes to has no fingerprint: {error}") from error
    if decoded != expected:
        raise EncodeError("it does not give back exactly the same value")
