"""`memoize`: a plain function that remembers, in this process, what it returned.

The faces only: `remembering` does the work, `argument_keys` turns arguments into keys, and where
results lie is told by `results`.
"""

from __future__ import annotations

import time
from functools import partial, update_wrapper
from types import FunctionType
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from stagecache.errors import StageDefinitionError
from stagecache.memory.argument_keys import hashable
from stagecache.memory.locked import Guard
from stagecache.memory.remembering import AsyncRemembering, Remembering
from stagecache.memory.results import CacheInfo, Guest, Own, place_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from stagecache.memory.results import Mapping, Results

P = ParamSpec("P")
P2 = ParamSpec("P2")
R = TypeVar("R")
S = TypeVar("S")

_COROUTINE, _GENERATORS = 0x80, 0x20 | 0x200


# Calling a partial costs half of what a `__call__` written in Python does.
class Memoized(partial[R], Generic[P, R]):
    """A function that remembers what it returned: made by the decorator :func:`memoize`."""

    _remembering: Remembering

    if TYPE_CHECKING:
        __name__: str
        __qualname__: str

        def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
            """Return what the function returned for these arguments, or call it."""

    def cache_info(self) -> CacheInfo:
        """Return hits, misses, ``maxsize`` and ``currsize``; of a method, for all objects."""
        everywhere = self._remembering.everywhere()
        first, *others = [results.info() for results in everywhere]
        # A mapping that the user gave is the same one everywhere.
        others_size = [o.currsize for o in others if not isinstance(everywhere[0], Guest)]
        return CacheInfo(
            first.hits + sum(info.hits for info in others),
            first.misses + sum(info.misses for info in others),
            first.maxsize,
            first.currsize + sum(others_size),
        )

    def cache_clear(self) -> None:
        """Forget everything, counts too; what is being computed now is not kept."""
        for results in self._remembering.everywhere():
            results.clear()

    @property
    def cache(self) -> Any:
        """Where the results lie, to let go of one: ``f.cache.pop(f.cache_key(...), None)``.

        Those of a method lie in ``obj.method.cache``.
        """
        return self._remembering.results.mapping

    def cache_key(self, *args: P.args, **kwargs: P.kwargs) -> tuple[Any, ...]:
        """Return the key in `cache` of a call with these arguments."""
        return _key_of(self._remembering, args, kwargs)

    def __set_name__(self, owner: type, name: str) -> None:
        self._remembering.be_method()

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> Memoized[P, R]: ...
    @overload
    def __get__(
        self: Memoized[Concatenate[S, P2], R], instance: S, owner: type | None = None
    ) -> BoundMemoized[P2, R]: ...
    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """Bind a method: each object has results of its own, which go when it goes."""
        if instance is None:
            return self
        if not self._remembering.is_method:
            self._remembering.be_method()
        return BoundMemoized(self.func, instance)

    def __stagecache_code__(self) -> tuple[object, ...]:
        """What counts where a stage reaches this function: the function itself."""
        return (self._remembering.fn,)

    def __reduce__(self) -> Any:
        return self.__qualname__

    def __copy__(self) -> Memoized[P, R]:
        return self

    def __deepcopy__(self, memo: Any) -> Memoized[P, R]:
        return self

    def __repr__(self) -> str:
        return f"<memoized {self._remembering.name}>"


class BoundMemoized(partial[R], Generic[P, R]):
    """A memoized method of one object, whose results it uses."""

    __slots__ = ()

    if TYPE_CHECKING:

        def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
            """Return what the method returned for these arguments, or call it."""

    @property
    def _remembering(self) -> Remembering:
        return self.func.remembering  # type: ignore[attr-defined, no-any-return]

    @property
    def __self__(self) -> Any:
        return self.args[0]

    @property
    def __wrapped__(self) -> Any:
        return self._remembering.fn.__get__(self.args[0])

    @property
    def cache(self) -> Any:
        """Where the results of this object lie."""
        return self._results.mapping

    def cache_info(self) -> CacheInfo:
        """Return hits, misses, ``maxsize`` and ``currsize`` of this object's results."""
        return self._results.info()

    def cache_clear(self) -> None:
        """Forget the results of this object, counts too."""
        self._results.clear()

    def cache_key(self, *args: P.args, **kwargs: P.kwargs) -> tuple[Any, ...]:
        """Return the key in `cache` of a call with these arguments."""
        return _key_of(self._remembering, (*self.args, *args), kwargs)

    @property
    def _results(self) -> Results:
        return self._remembering.of(self.args[0])

    def __reduce__(self) -> Any:
        return getattr, (self.args[0], self._remembering.fn.__name__)

    def __repr__(self) -> str:
        return f"<memoized {self._remembering.name} of {self.args[0]!r}>"


@overload
def memoize(fn: Callable[P, R], /) -> Memoized[P, R]: ...
@overload
def memoize(
    maxsize: int | Mapping | None = 128,
    *,
    ttl: float | str | timedelta | None = None,
    key: Callable[..., Any] | None = None,
    typed: bool = False,
    timer: Callable[[], float] = time.monotonic,
) -> Callable[[Callable[P, R]], Memoized[P, R]]: ...
def memoize(
    maxsize: Any = 128,
    *,
    ttl: float | str | timedelta | None = None,
    key: Callable[..., Any] | None = None,
    typed: bool = False,
    timer: Callable[[], float] = time.monotonic,
) -> Any:
    """Let a function remember, in this process, what it returned. Nothing is kept on disk.

    A value is handed out as it is, not as a copy: whoever changes it changes what all others get.
    Code does not count: for that, and for results that outlive the process, there is
    :func:`~stagecache.stage`. Of all callers of one key at a time, over threads and event loops,
    one computes; the others get its value, or its exception, which is never kept.

    Parameters
    ----------
    maxsize : int or mapping or None, optional
        How many results are kept, the most recently used ones; None: all. Or a mapping to keep
        them in, such as those of ``stagecache.memory`` and of cachetools, which several functions
        may share. A method keeps so many for each object.
    ttl : float, str or datetime.timedelta, optional
        How long a result is kept, in seconds or as ``"90s"``, ``"1h30m"``.
    key : callable, optional
        Takes the arguments (of a method, without ``self``) and returns what tells one call from
        another. By default that is all arguments, defaults filled in, as the keys of a dict are
        compared; those that have no hash by content.
    typed : bool, optional
        Whether arguments of different types differ that are equal, such as 3 and 3.0.
    timer : callable, optional
        Tells the time for `ttl`, in seconds.

    Returns
    -------
    Memoized
        With ``cache_info()``, ``cache_clear()``, ``cache_key(...)``, ``cache`` and
        ``__wrapped__``; or, when called with options, a decorator that makes one.

    Raises
    ------
    StageDefinitionError
        If the function is a generator, or if a `ttl` is given beside a mapping.
    FingerprintError
        When called, if an argument has neither a hash nor a content that can be told.
    LeaseError
        When called, if a call needs its own result.

    Examples
    --------
    >>> @memoize(maxsize=1000)
    ... def total(numbers: list[int], scale: int = 1) -> int:
    ...     print("adding")
    ...     return scale * sum(numbers)
    >>> total([1, 2]), total([1, 2], scale=1), total(numbers=[1, 2])
    adding
    (3, 3, 3)
    >>> total.cache_info()
    CacheInfo(hits=2, misses=1, maxsize=1000, currsize=1)
    """
    if isinstance(maxsize, staticmethod | classmethod | type) or (
        callable(maxsize) and not hasattr(maxsize, "__setitem__")
    ):
        return _memoized(maxsize, 128, None, None, False, timer)
    if not (maxsize is None or hasattr(maxsize, "__setitem__")) and (
        isinstance(maxsize, bool) or not isinstance(maxsize, int) or maxsize < 0
    ):
        raise StageDefinitionError(f"maxsize is a number, a mapping or None, not {maxsize!r}")
    if ttl is not None and hasattr(maxsize, "__setitem__"):
        raise StageDefinitionError(
            "a mapping says itself how long it keeps what: give it the ttl, as in "
            "memoize(stagecache.memory.TTL(1000, ttl=60))"
        )
    return lambda fn: _memoized(fn, maxsize, ttl, key, typed, timer)


def _memoized(
    fn: Any, maxsize: Any, ttl: Any, key: Any, typed: bool, timer: Callable[[], float]
) -> Any:
    if isinstance(fn, staticmethod | classmethod):  # on which side of it we are is the same
        return type(fn)(_memoized(fn.__func__, maxsize, ttl, key, typed, timer))
    if not callable(fn):
        raise StageDefinitionError(f"only functions can be memoized, not {fn!r}")
    flags = fn.__code__.co_flags if isinstance(fn, FunctionType) else 0
    if flags & _GENERATORS:
        raise StageDefinitionError(
            f"`{fn.__qualname__}` is a generator: what it gives can be read only once, so it "
            "cannot be remembered. Return a list, or make it a stage, which keeps each item."
        )
    make: Callable[[], Results]
    if hasattr(maxsize, "__setitem__"):
        place = place_of(maxsize)
        guard, make = place.guard, partial(Guest, place)
    else:
        guard = Guard()
        make = partial(Own, guard, maxsize, ttl, timer)
    is_async = flags & _COROUTINE or (not flags and _is_coroutine_function(fn))
    kind = AsyncRemembering if is_async else Remembering
    remembering = kind(fn, make, guard, key, typed)
    call = remembering.calling(remembering.answer, is_async=bool(is_async))
    face: Memoized[..., Any] = Memoized(call)
    update_wrapper(face, fn)
    face._remembering = face.func.remembering = remembering  # type: ignore[attr-defined]
    return face


def _is_coroutine_function(fn: Any) -> bool:
    import inspect

    return inspect.iscoroutinefunction(fn)


def _key_of(
    remembering: Remembering, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Any, ...]:
    def key_in_mapping(
        key: tuple[Any, ...], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[Any, ...]:
        results, key = remembering.place(key, args, kwargs)
        return results.key(hashable(key, f"argument of {remembering.name}"))

    return remembering.calling(key_in_mapping)(*args, **kwargs)  # type: ignore[no-any-return]
