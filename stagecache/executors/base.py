"""Which executor a name means; running things is the leaves'."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagecache.errors import SettingsError

if TYPE_CHECKING:
    from concurrent.futures import Executor

NAMES = ("inline", "threads")

_ELSEWHERE = {"ProcessPoolExecutor", "ClientExecutor"}
"""Executors of the standard library, loky and dask whose tasks do not share our memory."""


def make(executor: str | Executor, jobs: int | None = None) -> tuple[Executor, bool]:
    """Return the executor, and whether the caller owns it and has to shut it down.

    Parameters
    ----------
    executor : str or concurrent.futures.Executor
        ``"inline"``, ``"threads"``, or an executor of threads, which is returned as it is.
    jobs : int, optional
        How many bodies run at the same time; as many as there are processors by default.
        It says nothing to ``"inline"`` or to an executor of the caller's.

    Raises
    ------
    SettingsError
        If the name is unknown, the executor is none or one of processes, or `jobs` is less
        than 1.

    Examples
    --------
    >>> pool, owned = make("inline")
    >>> pool.submit(pow, 2, 5).result(), owned
    (32, True)
    """
    if jobs is not None and (not isinstance(jobs, int) or jobs < 1):
        raise SettingsError(f"jobs is a number of 1 or more, not {jobs!r}")
    if executor == "inline":
        from stagecache.executors.inline import InlineExecutor

        return InlineExecutor(), True
    if executor == "threads":
        from stagecache.executors.pools import ThreadsExecutor

        return ThreadsExecutor(jobs), True
    if isinstance(executor, str):
        raise SettingsError(_unknown(executor))
    from concurrent.futures import Executor as AnyExecutor

    if isinstance(executor, AnyExecutor):
        if any(kind.__name__ in _ELSEWHERE for kind in type(executor).__mro__):
            raise SettingsError(
                f"{type(executor).__name__} runs bodies in other processes, which is not possible "
                'yet. Use "threads", or start the job several times: processes share results.'
            )
        return executor, False
    raise SettingsError(
        f"executor is one of {', '.join(NAMES)} or a concurrent.futures.Executor, "
        f"not {type(executor).__name__}"
    )


def _unknown(name: str) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name, NAMES, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return (
        f"There is no executor {name!r}.{hint} Known names: {', '.join(NAMES)}. A pool of "
        "threads of yours is passed as a concurrent.futures.Executor."
    )
