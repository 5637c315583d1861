"""What a user is told of a server that answers and takes nothing new, for stores and leases."""

from __future__ import annotations

_CAUSES = ("OutOfMemoryError", "ReadOnlyError")
"""Of redis-py, which need not be there."""


def takes_nothing(error: BaseException | None) -> bool:
    """Tell whether whoever raised `error` writes nothing at present, whoever asks.

    Examples
    --------
    >>> takes_nothing(ValueError())
    False
    """
    return type(error).__name__ in _CAUSES


def untaken(name: str, problem: object) -> str:
    """Return what happened, why, what follows for results and for leases, and what to do.

    Examples
    --------
    >>> untaken("redis://cache:6379/0", "OOM").partition(". ")[0]
    'redis://cache:6379/0 refused: OOM'
    """
    return (
        f"{name} refused: {problem}. Probably its memory is full (see `maxmemory-policy`), or it "
        "is a replica that only reads. Results are kept on this machine and still read from there, "
        "but until it takes new ones, these are not shared, and machines may compute the same "
        "result twice."
    )
