"""The words for what a program of the user's does to libraries when it is run."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType


class Place(NamedTuple):
    """Where a statement stands."""

    line: int
    """Where it starts, or the outermost loop that it is in."""
    end: int
    """Where that loop ends; 0: it is in none."""
    until: int = 0
    """Where the block ends for which it holds; 0: it holds for good."""
    is_of_scripts: bool = False
    """Whether it runs only where the program is the script."""


class Setting(NamedTuple):
    """A statement that sets state inside of a library."""

    library: str
    """What is called or assigned, by its full name: ``numpy.random.seed``."""
    group: str
    """The order of those in one group counts."""
    target: str
    """Of those with the same target only the last one counts."""
    place: Place
    is_stored: bool
    """Whether an attribute is assigned: that may be the user's own."""
    code: CodeType
    """Of a function that does nothing else."""
    turn: CodeType | None
    """Of one that does it for one turn of the loop that it is in; None: it is in none."""
    text: str


class Call(NamedTuple):
    """A call of what may be a function of the user's that sets state inside of libraries."""

    names: tuple[str, ...]
    called: str
    """What the function itself is called, as far as its name tells."""
    place: Place
    given: Callable[[], tuple[CodeType, str] | None]
    """Makes the code of a function that only makes the arguments, and the text of the call; None:
    there are none."""


Items = tuple[Setting | Call, ...]


class Program(NamedTuple):
    """What a text does to libraries."""

    items: Items
    """At once, when it is run."""
    functions: dict[tuple[int, str], Items]
    """In functions, by the first line and the name of each."""
