"""A backend of dogpile.cache over the tiers of stagecache: what it is made of, and its bytes."""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from dogpile.cache.api import NO_VALUE, BytesBackend, CantDeserializeException

from stagecache.breaker import Breaker
from stagecache.collections.values import decode_value, encode_value
from stagecache.errors import DecodeError, EncodeError, SettingsError, warn
from stagecache.integrations.dogpile.mutex import LeaseMutex
from stagecache.integrations.dogpile.places import InMemory, OnDisk, OnShelf, Place
from stagecache.integrations.places import places
from stagecache.leases.local import LocalLeases
from stagecache.model import Key
from stagecache.settings import MEMORY_ONLY, parse_duration, parse_size

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from dogpile.cache.api import BackendArguments, KeyType, SerializedReturnType

    from stagecache.leases.base import Leases

_NOT_KEPT = b"\0not kept"
"""Instead of a value that cannot be encoded; what is encoded begins with the name of a codec."""
_ARGUMENTS = frozenset(
    ("directory", "name", "memory", "ttl", "max_items", "max_size", "when_full")
) | frozenset(("url", "namespace", "signing_key", "allow_pickle"))


class StagecacheBackend(BytesBackend):
    """Keeps the values of a region in an index on disk, in memory, or on a shelf that many share.

    It never raises for trouble of its own: what cannot be read is a miss, what cannot be kept is
    not found afterwards, and one warning says so. Its mutex is exclusive among processes, and
    among machines with a Redis, and ends with its holder.

    Parameters
    ----------
    arguments : mapping
        ``directory``
            Where it lies, as of :class:`~stagecache.Cache`; ``":memory:"``: in this process only.
        ``name``
            Regions of one name in one place have the same keys (default ``"region"``).
        ``memory``
            Bytes that values may take in this process, or as ``"16 MiB"`` (the default).
        ``ttl``
            Seconds, or as ``"1d"``, after which a value is gone; dogpile's ``expiration_time``
            only says when it is made anew.
        ``max_items``, ``max_size``, ``when_full``
            As of :meth:`~stagecache.Cache.index`, if ``when_full`` is ``"evict-lru"`` (the
            default) or ``"evict-oldest"``.
        ``url``
            ``redis://...``, ``s3://...``, ``memcached://...``: a shelf that many machines reach.
            Then nothing lies in the directory but locks, if there is one.
        ``namespace``, ``signing_key``, ``allow_pickle``
            With a ``url``: what names begin with, files of keys that sign what is shared, and
            whether pickles are, which needs a key.

    Raises
    ------
    SettingsError
        If an argument cannot be used.

    Examples
    --------
    >>> from dogpile.cache import make_region
    >>> region = make_region().configure(
    ...     "stagecache", expiration_time=60, arguments={"directory": ":memory:"}
    ... )
    >>> region.get_or_create("answer", lambda: 6 * 7)
    42
    """

    def __init__(self, arguments: BackendArguments) -> None:
        unknown = sorted(arguments.keys() - _ARGUMENTS)
        if unknown:
            warn(
                f"The backend stagecache does not know {', '.join(unknown)}, and does without. "
                f"Its arguments are {', '.join(sorted(_ARGUMENTS))}."
            )
        self.serializer = self._serialized
        self.deserializer = self._deserialized
        self._name = str(arguments.get("name", "region"))
        self._told: set[str] = set()
        directory = arguments.get("directory")
        if arguments.get("url"):
            self.place, self.leases, self._prepare = self._on_shelf(arguments, directory)
        elif directory == MEMORY_ONLY:
            self.place = InMemory(parse_size(arguments.get("memory", "16 MiB")))
            self.leases, self._prepare = LocalLeases(None), _nothing
        else:
            self.place, self.leases, self._prepare = self._on_disk(arguments, directory)

    # --- what it is made of

    place: Place
    leases: Leases
    _prepare: Callable[[], None]

    def _on_disk(
        self, arguments: BackendArguments, directory: str | os.PathLike[str] | None
    ) -> tuple[Place, Leases, Callable[[], None]]:
        cache = places.at(directory)
        most, most_bytes = arguments.get("max_items"), arguments.get("max_size")
        is_bounded = most is not None or most_bytes is not None
        name = f"dogpile:{self._name}"
        values = places.kept(
            cache,
            name,
            max_items=most,
            max_size=most_bytes,
            when_full=arguments.get("when_full", "evict-lru" if is_bounded else None),
            memory=arguments.get("memory", "16 MiB"),
        )
        place = OnDisk(cache, values, places.kept(cache, f"{name}:marks"), _seconds(arguments))
        return place, cache.engine.context.leases, values.index.prepare

    def _on_shelf(
        self, arguments: BackendArguments, directory: str | os.PathLike[str] | None
    ) -> tuple[Place, Leases, Callable[[], None]]:
        from stagecache.stores.shared.keyring import Keyring
        from stagecache.stores.shared.opening import open_shelf

        url, namespace = arguments["url"], arguments.get("namespace", "stagecache")
        if not isinstance(namespace, str) or not re.fullmatch("[A-Za-z0-9_-]{1,64}", namespace):
            raise SettingsError(f"namespace is 1 to 64 letters, digits, _ and -: {namespace!r}")
        keys = arguments.get("signing_key")
        allow_pickle = bool(arguments.get("allow_pickle", False))
        if allow_pickle and not keys:
            raise SettingsError(
                "allow_pickle needs a signing_key: without one, whoever can write to the shelf "
                "could run code here"
            )
        breaker = Breaker()
        shelf = OnShelf(
            open_shelf(url),
            self._name,
            namespace=namespace,
            ttl=_seconds(arguments),
            keyring=Keyring.read([keys] if isinstance(keys, str) else keys) if keys else None,
            allow_pickle=allow_pickle,
            memory=parse_size(arguments.get("memory", "16 MiB")),
            breaker=breaker,
        )
        near: Leases = LocalLeases(None)
        prepare = _nothing
        if directory not in (None, MEMORY_ONLY):
            cache = places.at(directory)
            near, prepare = (
                cache.engine.context.leases,
                places.kept(cache, f"dogpile:{self._name}").index.prepare,
            )
        if not re.match("rediss?[+:]|unix:", url):
            return shelf, near, prepare
        from stagecache.leases.chain import Chain
        from stagecache.leases.redis import RedisLeases

        far = RedisLeases(url, namespace=f"{namespace}-regions", breaker=breaker)
        return shelf, Chain(near, far), prepare

    # --- what dogpile asks for

    def get_mutex(self, key: KeyType) -> LeaseMutex:
        """Return what callers of `key` exclude each other by."""
        said = f"{self._name}\0{key}".encode("utf-8", "surrogatepass")
        return LeaseMutex(self.leases, Key(blake2b(said, digest_size=16).digest()), self._prepare)

    def get_serialized(self, key: KeyType) -> SerializedReturnType:
        """Return the bytes under `key`, or NO_VALUE."""
        return self.place.get_many((key,)).get(key, NO_VALUE)

    def get_serialized_multi(self, keys: Iterable[KeyType]) -> Sequence[SerializedReturnType]:
        """Return the bytes under each of `keys`, or NO_VALUE."""
        wanted = list(keys)
        found = self.place.get_many(wanted) if wanted else {}
        return [found.get(key, NO_VALUE) for key in wanted]

    def set_serialized(self, key: KeyType, value: bytes) -> None:
        """Keep bytes under `key`."""
        self.set_serialized_multi({key: value})

    def set_serialized_multi(self, mapping: Mapping[KeyType, bytes]) -> None:
        """Keep all of `mapping`; what could not be encoded is forgotten."""
        lost = [key for key, value in mapping.items() if _is_not_kept(value)]
        if lost:
            self.place.remove(lost)
            mapping = {key: value for key, value in mapping.items() if key not in lost}
        if mapping:
            self.place.set_many(mapping)

    def delete(self, key: KeyType) -> None:
        """Forget what is under `key`."""
        self.place.remove((key,))

    def delete_multi(self, keys: Iterable[KeyType]) -> None:
        """Forget what is under `keys`."""
        wanted = list(keys)
        if wanted:
            self.place.remove(wanted)

    # --- values as bytes

    def _serialized(self, payload: Any) -> bytes:
        try:
            codec, data = encode_value(payload, self.place)
        except EncodeError as error:
            self._tell(
                "encode",
                f"A value for the region {self._name!r} is returned, but not kept: {error}. "
                "Whoever asks next makes it again.",
            )
            return _NOT_KEPT
        if isinstance(data, bytes):
            return b"%b\n%b" % (codec.encode(), data)
        sections = [memoryview(section).cast("B") for section in data]
        lengths = " ".join([str(section.nbytes) for section in sections])
        return b"".join([f"{codec} {lengths}\n".encode(), *sections])

    def _deserialized(self, data: bytes) -> Any:
        head, _, body = data.partition(b"\n")
        try:
            codec, *lengths = head.decode("ascii").split(" ")
            if not lengths:
                return decode_value(codec, body, self.place)
            sections, start = [], 0
            for length in map(int, lengths):
                sections.append(memoryview(body)[start : start + length])
                start += length
            return decode_value(codec, sections, self.place)
        except (DecodeError, ValueError) as error:
            self._tell(
                "decode",
                f"A value of the region {self._name!r} cannot be decoded ({error}). Probably it "
                "is of another version, or of a class that is not here. It is made again.",
            )
            raise CantDeserializeException(str(error)) from error

    def _tell(self, kind: str, message: str) -> None:
        if kind not in self._told:
            self._told.add(kind)
            warn(message)


def _is_not_kept(value: bytes) -> bool:
    return value.endswith(_NOT_KEPT) and value.partition(b"|")[2] == _NOT_KEPT


def _seconds(arguments: BackendArguments) -> float | None:
    ttl = arguments.get("ttl")
    return None if ttl is None else parse_duration(ttl)


def _nothing() -> None:
    """Prepare nothing."""
