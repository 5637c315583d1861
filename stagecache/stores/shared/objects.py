"""Object stores as a shelf: S3 and what speaks like it, Google, Azure, a folder, memory.

obstore does the talking, and finds credentials, region and endpoint in the environment. How long
a value is kept is for the rules of the bucket: an object store removes nothing by the second.
"""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    GenericError,
    PermissionDeniedError,
    UnauthenticatedError,
)
from obstore.store import LocalStore, S3Store, from_url

from stagecache.errors import SettingsError, ShelfError
from stagecache.remote.address import shown, unusable
from stagecache.stores.shared.shelf import size_within

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from typing_extensions import Buffer

LIMIT = 4 << 30
MOST = 5_000_000_000
"""Bytes that S3 takes in one request, which a conditional put is."""
SILENCE = 5.0
"""Seconds: so long may an object store that is well take to answer, unlike a server next door."""
CONNECT = 1.0
_SLOWEST = 1 << 20
"""Bytes a second: an upload may be so slow. obstore counts it into the wait for the answer."""
_PART = 8 << 20
_AT_ONCE = 8
_PREFIXES = {"s3": "AWS", "gs": "GOOGLE", "az": "AZURE"}
_REFUSED_ACCOUNT = ("InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken")
_TROUBLE = (BaseError, OSError, ValueError)
_NO_BUCKET = ("NoSuchBucket", "bucket does not exist", "ContainerNotFound")


class _Runtime:
    """Whether this process can use obstore: its threads do not survive a fork.

    A child that asks them for something would wait for ever.
    """

    used = False
    lost = False

    @classmethod
    def after_fork_in_child(cls) -> None:
        cls.lost = cls.lost or cls.used


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_Runtime.after_fork_in_child)


class ObjectShelf:
    """A shelf on an object store.

    In a child that was forked after its parent used a shelf of this kind, everything is an outage.

    Parameters
    ----------
    url : str
        ``s3://bucket/prefix``, ``gs://bucket/prefix``, ``az://container/prefix``,
        ``file:///folder`` (made if it is not there) or ``memory:///``. Credentials are not for
        the URL; the environment has them (``AWS_ACCESS_KEY_ID``, ``AWS_ENDPOINT_URL`` and so on).
    limit : int, optional
        Bytes that one value may have at most, up to 5 GB.
    timeout : float, optional
        Seconds that the store may be silent; for an upload, a second more for each MiB.
    connect_timeout : float, optional
        Seconds until a connection has to be there.

    Raises
    ------
    SettingsError
        If the URL cannot be used, there is no such bucket, or the credentials are refused. A
        store that is out of reach is no error here.
    """

    def __init__(
        self,
        url: str,
        *,
        limit: int = LIMIT,
        timeout: float = SILENCE,
        connect_timeout: float = CONNECT,
    ) -> None:
        if not 0 < limit <= MOST:
            raise SettingsError(f"limit is to be from 1 to {MOST} bytes, not {limit}")
        self.name = shown(url)
        self.limit: int | None = limit
        self._is_remote = not url.startswith(("file:", "memory:"))
        self._url = url
        self._timeout = timeout
        self._connect_timeout = min(connect_timeout, timeout)
        self._patient: dict[float, Any] = {}
        """Seconds of silence -> a client that bears them."""
        self._lock = threading.Lock()
        problem = _problem_of(url) or self._refusal()
        if problem:
            raise unusable(url, problem)

    def __repr__(self) -> str:
        return f"ObjectShelf({self.name!r})"

    def get(self, names: Sequence[str]) -> dict[str, bytes | memoryview]:
        """Return the values under those of `names` that there are; several are asked at once."""
        if len(names) < 2 or not self._is_remote:
            found = [self._get(name) for name in names]
        else:
            with ThreadPoolExecutor(min(_AT_ONCE, len(names))) as pool:
                found = list(pool.map(self._get, names))
        return {name: value for name, value in zip(names, found, strict=True) if value is not None}

    def put(
        self,
        name: str,
        pieces: Sequence[Buffer],
        *,
        seconds: float | None,  # noqa: ARG002 - the bucket's rules say
        replace: bool,
    ) -> bool:
        """Keep a value, and tell whether it is kept now."""
        size = size_within(self, pieces)
        try:
            client = self._client(size)
            if replace and size > _PART:
                obstore.put(client, name, _parts(pieces), chunk_size=_PART)
                return True
            # A condition can only be put on a value that is sent as a whole.
            whole = b"".join(pieces)
            mode = "overwrite" if replace else "create"
            obstore.put(client, name, whole, mode=mode, use_multipart=False)
        except AlreadyExistsError:
            return False
        except _TROUBLE as error:
            raise self._error(error) from error
        return True

    def remove(self, names: Sequence[str]) -> int:
        """Remove values; return of how many, as far as the store tells which there were."""
        if not names:
            return 0
        try:
            client = self._client()
            if isinstance(client, S3Store):
                obstore.delete(client, list(names))
                return len(names)
            return sum(_delete(client, name) for name in names)
        except _TROUBLE as error:
            raise self._error(error) from error

    def close(self) -> None:
        """Do nothing: connections that nobody uses end by themselves."""

    def _get(self, name: str) -> memoryview | None:
        try:
            return memoryview(obstore.get(self._client(), name).bytes())
        except FileNotFoundError:
            return None
        except _TROUBLE as error:
            raise self._error(error) from error

    def _client(self, size: int = 0) -> Any:
        """Return a client that waits long enough for `size` bytes to be sent."""
        if _Runtime.lost:
            raise ShelfError(
                self.name,
                "obstore cannot be used in a process that was forked after it had been used; "
                "start processes by spawn or forkserver",
                is_outage=True,
            )
        _Runtime.used = True
        seconds = self._timeout
        if size > _SLOWEST:
            # Of a few sizes only, because each client has connections of its own.
            seconds += (1 << size.bit_length()) / _SLOWEST
        with self._lock:
            if not self._is_remote:
                seconds = 0
            if seconds not in self._patient:
                self._patient[seconds] = self._made(seconds)
            return self._patient[seconds]

    def _made(self, seconds: float) -> Any:
        if self._url.startswith("file:"):
            return LocalStore.from_url(self._url, mkdir=True)
        if not self._is_remote:
            return from_url(self._url)
        # What is said here takes the place of what the environment says, so this is asked for.
        insecure = os.environ.get(f"{_PREFIXES[self._url.partition(':')[0]]}_ALLOW_HTTP", "")
        options = {
            "allow_http": insecure.lower() in ("1", "true", "yes"),
            "connect_timeout": timedelta(seconds=self._connect_timeout),
            "read_timeout": timedelta(seconds=seconds),
            "timeout": timedelta(days=1),  # a large value may take its time, as long as it flows
        }
        once = {"max_retries": 0, "retry_timeout": timedelta(seconds=seconds)}
        return from_url(self._url, client_options=options, retry_config=once)

    def _refusal(self) -> str:
        """Return why the store will never serve us as we are, as far as it can be told now."""
        try:
            obstore.get(self._client(), "probe")
        except _TROUBLE as error:
            said = str(error)
            if isinstance(error, UnauthenticatedError) or any(
                word in said for word in _REFUSED_ACCOUNT
            ):
                return "the credentials in the environment are refused"
            if any(word in said for word in _NO_BUCKET):
                return "there is no such bucket"
            if not self._patient:
                return _first_line(error)
        return ""

    def _error(self, error: Exception) -> ShelfError:
        return ShelfError(self.name, _first_line(error), is_outage=self._is_outage(error))

    def _is_outage(self, error: Exception) -> bool:
        if not self._is_remote or isinstance(error, PermissionDeniedError):
            return False
        if isinstance(error, UnauthenticatedError):
            return True
        # What the store itself answers has a status in its text; only 5.. are those of a sick one.
        status = str(error).partition("status code: ")[2][:1]
        return isinstance(error, GenericError) and status in ("", "5")


def _problem_of(url: str) -> str:
    """Return what is wrong with a URL by its looks."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "it cannot be read"
    if "@" in parts.netloc:
        return "credentials belong into the environment, not into the URL"
    if parts.query or parts.fragment:
        return "it has no options; the environment has them"
    return ""


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def _parts(pieces: Sequence[Buffer]) -> Iterator[memoryview]:
    for piece in pieces:
        view = memoryview(piece)
        if view.nbytes:
            flat = view.cast("B")
            for start in range(0, len(flat), _PART):
                yield flat[start : start + _PART]


def _delete(client: Any, name: str) -> int:
    try:
        obstore.delete(client, name)
    except FileNotFoundError:
        return 0
    return 1
