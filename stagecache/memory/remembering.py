"""Who computes what a memoized function returns, and who is told: one caller a key at a time."""

from __future__ import annotations

import weakref
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import TYPE_CHECKING, Any

from stagecache.errors import StageDefinitionError
from stagecache.leases.flight import Flight
from stagecache.memory.argument_keys import hashable, keyed, without_first
from stagecache.memory.results import NOTHING

if TYPE_CHECKING:
    from collections.abc import Callable

    from stagecache.memory.locked import Guard
    from stagecache.memory.results import Results

_ONCE = (CoroutineType, GeneratorType, AsyncGeneratorType)

_flight = Flight()


class Remembering:
    """What one function has returned, and how it comes to return something.

    Parameters
    ----------
    fn : callable
        The function.
    make : callable
        Makes an empty place for results.
    guard : Guard
        The function's lock.
    own_key : callable, optional
        The user's key function.
    typed : bool
        Whether equal arguments of different types differ.

    Attributes
    ----------
    is_method : bool
        Whether the first argument is an object that has results of its own.
    """

    def __init__(
        self,
        fn: Callable[..., Any],
        make: Callable[[], Results],
        guard: Guard,
        own_key: Callable[..., Any] | None,
        typed: bool,
    ) -> None:
        self.fn = fn
        self.name = getattr(fn, "__qualname__", repr(fn))
        self.results = make()
        self._typed = typed
        self.is_method = False
        self._make = make
        self._lock = guard.lock
        self._own_key = own_key
        self._is_plain = own_key is None
        self._of_objects: dict[int, tuple[weakref.ref[Any], Results]] = {}
        """By the `id` of an object that is there still."""

    def calling(self, answer: Callable[..., Any], *, is_async: bool = False) -> Callable[..., Any]:
        """Return a function that is called as `fn` is, and calls `answer`: for example ours."""
        if self._own_key is None:
            return keyed(self.fn, answer, typed=self._typed, is_async=is_async)
        if is_async:

            async def call(*args: Any, **kwargs: Any) -> Any:
                return await answer((), args, kwargs)

            return call
        # The user's key function takes the arguments as they were written.
        return lambda *args, **kwargs: answer((), args, kwargs)

    def answer(self, key: tuple[Any, ...], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return what is kept of a call, or what it gives."""
        if self._is_plain:
            results = self.results
        else:
            results, key = self.place(key, args, kwargs)
        try:
            value = results.get(key, NOTHING)
        except TypeError:
            value, key = self._look_closely(results, key)
        if value is not NOTHING:
            results.hits += 1
            return value
        return self._compute(results, key, args, kwargs)

    def place(
        self, key: tuple[Any, ...], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[Results, tuple[Any, ...]]:
        """Return where the result of a call lies, and under which key."""
        if not self.is_method:
            if self._own_key is not None:
                key = (self._own_key(*args, **kwargs),)
            return self.results, key
        instance = args[0]
        found = self._of_objects.get(id(instance))
        is_known = found is not None and found[0]() is instance
        results = found[1] if found is not None and is_known else self.of(instance)
        if self._own_key is not None:
            key = (self._own_key(*args[1:], **kwargs),)
        else:
            key = without_first(key, args)
        return results, (instance, *key) if results is self.results else key

    def be_method(self) -> None:
        """Let the first argument be the object whose method this is."""
        self.is_method, self._is_plain = True, False

    def of(self, instance: Any) -> Results:
        """Return the results of an object, which do not keep it alive."""
        table, number = self._of_objects, id(instance)
        found = table.get(number)
        if found is not None and found[0]() is instance:
            return found[1]

        def forget(gone: weakref.ref[Any]) -> None:
            # No lock: this may be called in the middle of anything.
            found = table.get(number)
            if found is not None and found[0] is gone:
                del table[number]

        try:
            reference = weakref.ref(instance, forget)
        except TypeError:  # nobody can tell when it goes: it counts as an argument
            return self.results
        fresh = (reference, self._make())
        with self._lock:
            found = table.get(number)
            if found is None or found[0]() is not instance:
                table[number] = found = fresh
            return found[1]

    def everywhere(self) -> list[Results]:
        """Return the results of the function, and of every object whose method it is."""
        return [self.results, *[results for _, results in list(self._of_objects.values())]]

    def _look_closely(self, results: Results, key: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
        """Do the same with fingerprints in place of what has no hash."""
        key = hashable(key, f"argument of {self.name}")
        return results.get(key, NOTHING), key

    def _compute(
        self, results: Results, key: tuple[Any, ...], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        epoch = results.epoch
        is_ours = False

        def compute() -> Any:
            nonlocal is_ours
            value = results.get(key, NOTHING)  # another may have put it since we looked
            if value is NOTHING:
                is_ours = True
                results.misses += 1
                value = self._checked(self.fn(*args, **kwargs))
                results.put(key, value, epoch)
            return value

        # With the epoch in it, the key is no other function's, and none of before a clearing.
        value = _flight.run((epoch, key), compute, name=self.name)  # type: ignore[arg-type]
        results.hits += not is_ours
        return value

    def _checked(self, value: Any) -> Any:
        if isinstance(value, _ONCE):
            if not isinstance(value, AsyncGeneratorType):
                value.close()
            raise StageDefinitionError(
                f"`{self.name}` returns a {type(value).__name__}, which can be used only once, so "
                "it cannot be remembered. Return a list, or put the decorator on the function "
                "that is `async def` itself."
            )
        return value


class AsyncRemembering(Remembering):
    """The same for an ``async def``: what is computed is awaited."""

    async def answer(
        self, key: tuple[Any, ...], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Return what is kept of a call, or what it gives."""
        results, key = self.place(key, args, kwargs)
        try:
            value = results.get(key, NOTHING)
        except TypeError:
            value, key = self._look_closely(results, key)
        if value is not NOTHING:
            results.hits += 1
            return value
        return await self._compute(results, key, args, kwargs)

    async def _compute(
        self, results: Results, key: tuple[Any, ...], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        epoch = results.epoch
        is_ours = False

        async def compute() -> Any:
            nonlocal is_ours
            value = results.get(key, NOTHING)
            if value is NOTHING:
                is_ours = True
                results.misses += 1
                value = self._checked(await self.fn(*args, **kwargs))
                results.put(key, value, epoch)
            return value

        flown = _flight.run_async((epoch, key), compute, name=self.name)  # type: ignore[arg-type]
        value = await flown
        results.hits += not is_ours
        return value
