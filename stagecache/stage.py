"""The decorator `stage`: turns a function into a stage; what a call means is the conductor's."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Concatenate, Generic, Literal, ParamSpec, TypeVar, overload

from stagecache import model
from stagecache.declaration import checked_function, options_of
from stagecache.errors import StageDefinitionError
from stagecache.marks import stage_scope, tag_scope
from stagecache.model import Options
from stagecache.parameters import Parameters

if TYPE_CHECKING:
    import datetime
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from stagecache.records import Explanation

    Compression = Literal["zstd", "lz4", "gzip", "none"]

P = ParamSpec("P")
P2 = ParamSpec("P2")
R = TypeVar("R")
S = TypeVar("S")

_GENERATOR, _COROUTINE = 0x20, 0x80


class Stage(Generic[P, R]):
    """A pure function whose results are kept: made by the decorator :func:`stage`.

    Calling it is an ordinary call: it returns the value, from a store if the result is still
    good. Inside a pipeline function the same call returns a node, under the same key.

    Attributes
    ----------
    fn : callable
        The undecorated function; the same as ``__wrapped__``.
    name : str
        Its short name, as in node names.
    qualified_name : str
        ``module:qualname``: provenance, never part of a key. A script or notebook is the
        module ``__main__``.
    settings : Options
        What it was declared with.
    scopes : tuple of str
        By which its results are invalidated: its name and its tags.
    is_async : bool
        Whether it is an ``async def``.
    is_generator : bool
        Whether it yields; a call then runs it to its end and gives a
        :class:`~stagecache.replay.Replay` of what it yielded.
    """

    def __init__(
        self, fn: Callable[P, R], settings: Options = Options(), *, prefix: tuple[Any, ...] = ()
    ) -> None:
        if isinstance(fn, Stage):
            raise StageDefinitionError(f"{fn!r} is a stage already")
        function = checked_function(fn)
        self.fn = fn
        self.__wrapped__ = fn
        self.__doc__ = fn.__doc__
        self.__module__ = function.__module__
        self.__name__ = self.name = function.__name__
        self.__qualname__ = function.__qualname__
        self.qualified_name = f"{function.__module__}:{function.__qualname__}"
        self.settings = settings
        self.is_async = bool(function.__code__.co_flags & _COROUTINE)
        self.is_generator = bool(function.__code__.co_flags & _GENERATOR)
        self.parameters = Parameters(function)
        self.scopes = (
            stage_scope(self.qualified_name),
            *[tag_scope(tag) for tag in settings.tags],
        )
        self._prefix = prefix
        self._check_ignored()
        #: Parameters that count, in order.
        self.counted = tuple(
            name
            for name in self.parameters.names
            if name not in settings.ignore and name not in self.parameters.ignored
        )

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Return the value, from a store or by running; inside a pipeline function, a node."""
        conductor = model.current_conductor()
        if self.is_async:
            return conductor.call_async(self, args, kwargs)  # type: ignore[no-any-return]
        return conductor.call(self, args, kwargs)  # type: ignore[no-any-return]

    def map(self, *iterables: Iterable[Any], **common: Any) -> list[R]:
        """Call the stage for each element; each call has a key of its own.

        Parameters
        ----------
        *iterables : iterable
            The positional arguments, element by element; several are zipped and must be
            equally long.
        **common : object
            Keyword arguments that all calls share.

        Returns
        -------
        list
            The values in order; inside a pipeline function, nodes.

        Raises
        ------
        ValueError
            If the iterables are not equally long.

        Examples
        --------
        >>> from stagecache import Cache
        >>> @stage
        ... def double(x: int) -> int:
        ...     return 2 * x
        >>> with Cache(":memory:"):
        ...     double.map([1, 2, 3])
        [2, 4, 6]
        """
        calls = [(row, dict(common)) for row in zip(*iterables, strict=True)]
        return model.current_conductor().map(self, calls)

    def explain(self, *args: P.args, **kwargs: P.kwargs) -> Explanation:
        """Say whether this call would be a hit and, if not, everything that changed."""
        return model.current_conductor().explain(self, args, kwargs)  # type: ignore[no-any-return]

    def is_cached(self, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Tell whether this call would be a hit; nothing runs and nothing is loaded."""
        return model.current_conductor().is_cached(self, args, kwargs)

    def refresh(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the stage now, whatever is kept, and keep the new result in its place.

        If it is another one, who got the old one in a body runs again when it is asked for.
        """
        return model.current_conductor().refresh(self, args, kwargs)  # type: ignore[no-any-return]

    def forget(self, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Drop what is kept for this call; return whether there was anything.

        Who got that in a body runs again when it is asked for, unless the call has given an equal
        result until then.
        """
        return model.current_conductor().forget(self, args, kwargs)

    def forget_all(self) -> int:
        """Drop everything that this stage ever computed, in all versions; return how many.

        What was made of it in bodies is not good any more, as after :meth:`invalidate`.
        """
        return model.current_conductor().forget_all(self)

    def invalidate(self, *, soft: bool = False) -> None:
        """Say that what the stage computed before now is not good any more, in all versions.

        It reaches all who share a tier with this machine, those who are computing just now, and
        the results of stages whose bodies call this one. Nothing is removed.

        Parameters
        ----------
        soft : bool, optional
            Whether old results are served, at once, while one caller computes a new one.

        Raises
        ------
        NotToldError
            If the tier that is shared cannot be reached. It is marked here, and others are
            told when that is possible again.
        """
        model.current_conductor().invalidate(self, soft=soft)

    def accept(self) -> int:
        """Say that an edit of the code does not change results: keep those of the code before.

        Every kept result of an earlier version is kept under the keys of the code as it is now
        as well; where there are several versions, the newest.

        Returns
        -------
        int
            How many results were accepted.
        """
        return model.current_conductor().accept(self)

    def options(
        self,
        *,
        version: str | None = None,
        ignore: tuple[str, ...] | None = None,
        ttl: str | float | datetime.timedelta | None = None,
        serve_stale: str | float | datetime.timedelta | None = None,
        early_refresh: float | None = None,
        code: Literal["track", "version"] | None = None,
        codec: str | None = None,
        compression: Compression | None = None,
        depends: Callable[..., Any] | None = None,
        reads: Literal["track", "warn", "ignore"] | None = None,
        determinism: Literal["trust", "check"] | None = None,
        tags: tuple[str, ...] | None = None,
    ) -> Stage[P, R]:
        """Return the same stage with other options; those not given stay as they are.

        Parameters are those of :func:`stage`.
        """
        given = {
            "version": version,
            "ignore": ignore,
            "ttl": ttl,
            "serve_stale": serve_stale,
            "early_refresh": early_refresh,
            "code": code,
            "codec": codec,
            "compression": compression,
            "depends": depends,
            "reads": reads,
            "determinism": determinism,
            "tags": tags,
        }
        changed = {name: value for name, value in given.items() if value is not None}
        settings = options_of(**{**self.settings._asdict(), **changed})
        return Stage(self.fn, settings, prefix=self._prefix)

    def bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Return parameter name -> value; see :meth:`Parameters.bind`."""
        return self.parameters.bind(self._prefix + args if self._prefix else args, kwargs)

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> Stage[P, R]: ...
    @overload
    def __get__(
        self: Stage[Concatenate[S, P2], R], instance: S, owner: type | None = None
    ) -> Stage[P2, R]: ...
    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """Bind a method: `instance` becomes its first argument and counts as an input."""
        if instance is None:
            return self
        return Stage(self.fn, self.settings, prefix=(instance, *self._prefix))

    def __stagecache_code__(self) -> tuple[object, ...]:
        """What counts where other code reaches this stage: its function, or only its version."""
        if self.settings.code == "version":
            return (self.qualified_name, self.settings.version, *self._prefix)
        return (self.fn, self.settings.version, *self._prefix)

    def __reduce__(self) -> tuple[Any, ...]:
        # By reference, or a process pool could not pickle the inner function: its name in the
        # module means the stage. What has no importable name goes by value (cloudpickle can).
        if "<locals>" in self.__qualname__:
            return _rebuild, (self.fn, self.settings, self._prefix)
        found = _find(self.__module__, self.__qualname__)
        if found is self:
            return _find, (self.__module__, self.__qualname__)
        if isinstance(found, Stage) and found.fn is self.fn:
            return _restore, (found, self.settings, self._prefix)
        return _rebuild, (self.fn, self.settings, self._prefix)

    def __repr__(self) -> str:
        return f"<stage {self.qualified_name}>"

    def __iter__(self) -> Iterator[Any]:
        raise TypeError(f"{self!r} is not iterable; call it, or use `.map(...)`")

    def _check_ignored(self) -> None:
        for name in self.settings.ignore:
            if name not in self.parameters.names:
                import difflib

                near = difflib.get_close_matches(name, self.parameters.names, n=1)
                hint = f" Did you mean `{near[0]}`?" if near else ""
                raise StageDefinitionError(
                    f"`ignore` of {self!r} names `{name}`, which is not a parameter.{hint}"
                )


@overload
def stage(fn: Callable[P, R], /) -> Stage[P, R]: ...
@overload
def stage(
    *,
    version: str | None = None,
    ignore: tuple[str, ...] = (),
    ttl: str | float | datetime.timedelta | None = None,
    serve_stale: str | float | datetime.timedelta | None = None,
    early_refresh: float | None = None,
    code: Literal["track", "version"] = "track",
    codec: str | None = None,
    compression: Compression | None = None,
    depends: Callable[..., Any] | None = None,
    reads: Literal["track", "warn", "ignore"] = "track",
    determinism: Literal["trust", "check"] = "trust",
    tags: tuple[str, ...] = (),
) -> Callable[[Callable[P, R]], Stage[P, R]]: ...
def stage(
    fn: Callable[..., Any] | None = None,
    /,
    *,
    version: str | None = None,
    ignore: tuple[str, ...] = (),
    ttl: str | float | datetime.timedelta | None = None,
    serve_stale: str | float | datetime.timedelta | None = None,
    early_refresh: float | None = None,
    code: Literal["track", "version"] = "track",
    codec: str | None = None,
    compression: Compression | None = None,
    depends: Callable[..., Any] | None = None,
    reads: Literal["track", "warn", "ignore"] = "track",
    determinism: Literal["trust", "check"] = "trust",
    tags: tuple[str, ...] = (),
) -> Any:
    """Decorate a pure function so that its results are kept and reused while they are good.

    Parameters
    ----------
    fn : callable
        The function, when the decorator is used bare. If it yields, a call runs it to its end,
        keeps each item before the next is made, and returns a
        :class:`~stagecache.replay.Replay`, which loads them one at a time.
    version : str, optional
        Counts as an input; change it to say that the stage's meaning changed.
    ignore : tuple of str, optional
        Names of parameters that do not count.
    ttl : str, float or timedelta, optional
        How long a result is good, in seconds or as ``"90s"``, ``"1h30m"``, ``"1d"``.
        Judged when the result is read.
    serve_stale : str, float or timedelta, optional
        How long after its expiry a result is still served while one caller refreshes it: that
        caller runs the body and gets the new value, all others get the old one at once. If the
        body raises, its caller gets the old value as well, with a warning. Needs a `ttl`.
    early_refresh : bool or float, optional
        Refresh results before they expire: the nearer the expiry and the longer the body takes,
        the likelier it is that a caller runs it (XFetch), while the others go on with what is
        kept. True is the factor 1.0; a greater one refreshes earlier. Needs a `ttl`.
    code : {"track", "version"}, optional
        Whether the function's code counts, with everything of yours that it reaches, or only
        `version`.
    codec : str, optional
        How results are encoded, for example ``"parquet"``, or the name of one of your own
        (:func:`~stagecache.register_codec`); by default, and where it does not hold a result
        exactly, chosen by type.
    compression : {"zstd", "lz4", "gzip", "none"}, optional
        How their bytes are compressed where that makes them smaller; by default as the setting
        ``compression`` says. What is compressed is decompressed into memory by a hit, where
        else a large result is mapped. It is in no key: what is kept stays good.
    depends : callable, optional
        A cheap probe of a source outside: it is asked at every lookup, with those arguments
        that it has parameters for, and what it answers (a watermark, an ETag, a count) counts
        as an input.
    reads : {"track", "warn", "ignore"}, optional
        What becomes of files that the body opens without having them as arguments: they count
        as inputs, or are warned about, or neither.
    determinism : {"trust", "check"}, optional
        With ``"check"`` every hit runs the body again and warns if the result differs, and
        arguments of any size are looked at again after the body.
    tags : tuple of str, optional
        By which results are invalidated together with those of other stages
        (:meth:`Cache.invalidate`). They are in no key: to change them makes nothing run.

    Returns
    -------
    Stage
        Or, when called with options, a decorator that makes one.

    Raises
    ------
    StageDefinitionError
        If `fn` is no plain function, if `ignore` names no parameter, if `serve_stale` or
        `early_refresh` is given without a `ttl`, or if an annotation that could say how a
        parameter counts cannot be resolved.

    Examples
    --------
    >>> from stagecache import Cache
    >>> @stage(version="2", ignore=("log",))
    ... def total(numbers: list[int], log=None) -> int:
    ...     return sum(numbers)
    >>> with Cache(":memory:"):
    ...     total([1, 2]), total.is_cached([1, 2], log=print)
    (3, True)
    """
    settings = options_of(
        version=version,
        ignore=ignore,
        ttl=ttl,
        serve_stale=serve_stale,
        early_refresh=early_refresh,
        code=code,
        codec=codec,
        compression=compression,
        depends=depends,
        reads=reads,
        determinism=determinism,
        tags=tags,
    )
    if fn is not None:
        return Stage(fn, settings)
    return lambda function: Stage(function, settings)


def _find(module: str, qualname: str) -> Any:
    """Return what the name means, or None: what a stage pickles to."""
    if module not in sys.modules:
        import importlib

        importlib.import_module(module)
    found: Any = sys.modules[module]
    for part in qualname.split("."):
        found = getattr(found, part, None)
    return found


def _restore(original: Stage[..., Any], settings: Options, prefix: tuple[Any, ...]) -> Any:
    return Stage(original.fn, settings, prefix=prefix)


def _rebuild(fn: Callable[..., Any], settings: Options, prefix: tuple[Any, ...]) -> Any:
    return Stage(fn, settings, prefix=prefix)


def _listen() -> None:
    """Begin to see what is opened: a memo that a body relies on may be filled before it runs."""
    from stagecache.fingerprint.code.programs import meet
    from stagecache.fingerprint.reads.recording import listen

    listen()
    meet()  # the texts of programs, before anybody can have edited them


_listen()  # what is imported below may fill one already
