"""Which codec holds a value: the first that fits the place and gives back exactly the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagecache.codecs.arrays import Arrays
from stagecache.codecs.arrow import Arrow
from stagecache.codecs.base import codec, codec_names, register_codec
from stagecache.codecs.chunks import CHUNK, ITEMS
from stagecache.codecs.cloudpickle import Cloudpickle
from stagecache.codecs.compression import compress, decompress
from stagecache.codecs.files import Files
from stagecache.codecs.parquet import Parquet
from stagecache.codecs.pickle import Pickle
from stagecache.codecs.plain import Plain
from stagecache.codecs.roundtrip import prove
from stagecache.errors import DecodeError, EncodeError, warn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from stagecache.codecs.base import Codec, Sections
    from stagecache.model import Digest

_SMALL = Plain(limit=16 << 10)
"""In a private directory plain values are for the index row (16 KB), and pickle for the rest."""

_missed: set[str] = set()
"""Names of codecs that are not there, and of whom somebody was told."""

for _codec in (Plain(), Files(), Arrays(), Arrow(), Parquet(), Pickle(), Cloudpickle()):
    register_codec(_codec)


def encode(
    value: object,
    *,
    wanted: str | None,
    private: bool,
    proof: Callable[[object], Digest],
    expected: Digest,
    compression: str | None = None,
) -> tuple[str, Sections]:
    """Return the name of the codec that holds `value`, and the sections to store.

    Parameters
    ----------
    value : object
        What a stage returned.
    wanted : str or None
        Name of the codec to try first. One that nobody registered is warned of once.
    private : bool
        Whether only this user can have written where the sections go; elsewhere only codecs
        that can never run code are used.
    proof : callable
        Fingerprints a value.
    expected : Digest
        Fingerprint of `value`: what the decoded value's must equal.
    compression : str, optional
        How the sections are compressed where that pays; the name then ends in ``+zstd``, say.

    Raises
    ------
    EncodeError
        If no codec holds the value exactly (it names those tried, and why each failed), or if
        `wanted` is the name of an unsafe one for a shared place.

    Examples
    --------
    >>> def digest(value):
    ...     return repr(value).encode()
    >>> encode((1, "a"), wanted=None, private=True, proof=digest, expected=digest((1, "a")))[0]
    'plain'
    """
    failures = []
    for candidate in _candidates(wanted, private):
        if not candidate.accepts(value):
            continue
        try:
            sections = candidate.encode(value)
            prove(candidate, sections, proof, expected)
        except EncodeError as error:
            failures.append(f"{candidate.name}: {error}")
            continue
        if compression is not None:
            packed = compress(compression, sections, private=private)
            if packed is not None:
                return f"{candidate.name}+{compression}", packed
        return candidate.name, sections
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    place = "a private" if private else "a shared"
    tried = "; ".join(failures) or "none is made for this type"
    raise EncodeError(f"no codec for {place} place holds this {kind} exactly ({tried})")


def decode(name: str, sections: Sequence[memoryview], *, private: bool) -> object:
    """Return the value that `sections` hold.

    Parameters
    ----------
    name : str
        The codec's name, as :func:`encode` gave it.
    sections : sequence of memoryviews
        As the store gave them back.
    private : bool
        Whether only this user can have written them. From elsewhere nothing is unpickled, and
        a file is found but never put back.

    Raises
    ------
    DecodeError
        If the codec is unknown or unsafe here, or the sections are foreign or damaged.

    Examples
    --------
    >>> decode("plain", [memoryview(sections) for sections in codec("plain").encode(7)],
    ...        private=False)
    7
    """
    try:
        chosen = codec(name)
    except DecodeError:
        _missed.add(name.partition("+")[0])  # whoever reads warns of it
        raise
    if not private and not chosen.safe:
        raise DecodeError(f"{name!r} can run code and is not read from a shared place")
    if chosen.name != name:
        sections = decompress(name.removeprefix(chosen.name + "+"), sections, private=private)
    if isinstance(chosen, Files) and not private:
        return chosen.find(sections)
    return chosen.decode(sections)


def is_safe(name: str) -> bool:
    """Tell whether what was written under that name can be decoded whoever wrote it.

    Parameters
    ----------
    name : str
        As stored with an entry; that of an unknown codec is not safe.

    Examples
    --------
    >>> is_safe("plain"), is_safe("plain+zstd"), is_safe("pickle+zstd"), is_safe("unheard-of")
    (True, True, False, False)
    """
    if name in (CHUNK, ITEMS):  # the codec of each value in it is asked when it is decoded
        return True
    try:
        return codec(name).safe
    except DecodeError:
        return False


def _candidates(wanted: str | None, private: bool) -> Iterator[Codec]:
    if wanted is not None:
        named = _named(wanted, private)
        if named is not None:
            yield named
    if private:
        yield _SMALL
    for name in (
        ("file", "pickle", "cloudpickle") if private else ("plain", "array", "arrow", "file")
    ):
        if name != wanted:
            yield codec(name)


def _named(wanted: str, private: bool) -> Codec | None:
    if wanted not in codec_names():
        _tell_missing(wanted)
        return None
    chosen = codec(wanted)
    if not private and not chosen.safe:
        raise EncodeError(f"{wanted!r} can run code when it is read, so a shared place has none")
    return chosen


def _tell_missing(wanted: str) -> None:
    if wanted in _missed:
        return
    _missed.add(wanted)
    import difflib

    near = difflib.get_close_matches(wanted, codec_names(), 1)
    guess = f"Did you mean {near[0]!r}? " if near else ""
    warn(
        f"No codec is called {wanted!r}, so results are kept in others. {guess}There are "
        f"{', '.join(codec_names())}; one of yours has to be registered (register_codec) in "
        "every process that keeps or reads its results."
    )
