"""Decides which settings of libraries a piece of code may feel: those of libraries it reaches."""

from __future__ import annotations

import functools
import re
import sys
from types import CodeType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, get_args

from stagecache.fingerprint.code.extensions import names_in, texts_in
from stagecache.fingerprint.code.foreign import name_of
from stagecache.fingerprint.code.put import is_own
from stagecache.fingerprint.code.setters import OF_DATABASES
from stagecache.fingerprint.origin import distribution_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from stagecache.fingerprint.code.nodes import Edge, Node, Value
    from stagecache.fingerprint.code.settings import InForce

_ALSO = {
    "copyreg": {"copy", "pickle"},
    "csv": {"pandas"},
    "locale": {"babel", "calendar", "datetime", "pandas", "polars", "time"},
    "seaborn": {"matplotlib"},
}
"""Other libraries in which a setting is felt."""
_DRAWING = re.compile(r"sample|fit(_\w+)?")
"""Methods of frames and models, of what is only passed, that draw from the generator of numpy."""
_OF_ITS_OWN = re.compile(
    r"numpy\.random(\..*)?\.(default_rng|Generator|RandomState|SeedSequence|PCG64|MT19937)"
    r"|random\.(Random|SystemRandom)"
)
"""Generators of random numbers that know nothing of a seed set for all."""
_DATABASES = {"sqlite3", "duckdb", "_duckdb"}
_LEVELS = {"isEnabledFor", "getEffectiveLevel", "level"}
_DATES = {"strftime", "strptime"}
_BY_LOCALE = re.compile(r"[^a-z]*n")
"""How a number is written as people of a place write it."""
_CATCHING = re.compile(r"(Warning|Error|Exception)$")
_WORD = re.compile(r"[A-Za-z_]\w*")


class Reached:
    """What a piece of code reaches of libraries.

    Parameters
    ----------
    nodes : iterable of Node
        Everything of the user's that it reaches.
    values : iterable of Value
        What the names in it hold.
    roots : iterable of Edge
        Where it starts.
    """

    def __init__(
        self, nodes: Iterable[Node], values: Iterable[Value], roots: Iterable[Edge]
    ) -> None:
        self._nodes = list(nodes)
        self._values = list(values)
        self._roots = list(roots)

    @functools.cached_property
    def _names(self) -> set[str]:
        """The full names of what it reaches in libraries, and in Python itself."""
        found: set[str] = set()
        edges = list(self._roots)
        for node in self._nodes:
            edges += node.edges
        for value in self._values:
            edges += value.edges
        for edge in edges:
            if edge.sort == "package":
                found.add(edge.target[2])
            elif edge.sort == "name":
                found.add(str(edge.target))
        for node in self._nodes:
            if isinstance(node.obj, FunctionType):
                found.update(_annotated(node.obj))
        found.update(".".join(name_of(type(value.value))) for value in self._values)
        return found

    @functools.cached_property
    def _tops(self) -> set[str]:
        return {name.partition(".")[0] for name in self._names if "." in name} | (
            self._names & sys.modules.keys()
        )

    @functools.cached_property
    def _codes(self) -> list[CodeType]:
        return [node.obj.__code__ for node in self._nodes if isinstance(node.obj, FunctionType)]

    @functools.cached_property
    def _mentioned(self) -> set[str]:
        return {name for code in self._codes for name in names_in(code)}

    @functools.cached_property
    def _texts(self) -> set[str]:
        held = {one.value for one in self._values if isinstance(one.value, str)}
        return held.union(*map(texts_in, self._codes))

    def of(self, settings: Iterable[InForce]) -> list[InForce]:
        """Return those of `settings` that the code may feel."""
        return [one for one in settings if self._feels(one)]

    def _feels(self, made: InForce) -> bool:
        setting = made.setting
        name = setting.library
        top, _, last = name.partition(".")[0], *name.rpartition(".")[1:]
        if top == "*":  # nobody knows of what
            return True
        if top == OF_DATABASES:
            return not self._tops.isdisjoint(_DATABASES)
        if top == "logging":
            return not self._mentioned.isdisjoint(_LEVELS)
        if top in ("sys", "warnings") and top not in self._tops:
            # A limit that is too low, or a warning made an error, leaves no result unless caught.
            is_error = top == "sys" or "error" in _texts_of(made)
            return is_error and any(map(_CATCHING.search, self._mentioned))
        if top == "codecs":
            return "codecs" in self._tops or not _texts_of(made).isdisjoint(self._texts)
        if setting.is_stored and not _is_of_the_library(name):
            return False  # a name of the user's own: it counts where code reads it
        if "seed" in last or last == "set_state":
            return self._draws(name, top)
        if top in self._tops or not self._tops.isdisjoint(_ALSO.get(top, ())):
            return True
        if top == "locale":
            return not self._mentioned.isdisjoint(_DATES) or any(
                map(_BY_LOCALE.fullmatch, self._texts)
            )
        return self._needs(top)

    def _draws(self, name: str, top: str) -> bool:
        """Tell whether the code may draw from the generator of random numbers that is seeded."""
        home = "numpy.random." if name.startswith("numpy.random.") else f"{top}."
        if top == "numpy" and any(map(_DRAWING.fullmatch, self._mentioned)):
            return True
        return self._needs(top) or any(
            one.startswith(home) and not _OF_ITS_OWN.fullmatch(one) for one in self._names
        )

    def _needs(self, top: str) -> bool:
        """Tell whether the code reaches another distribution that requires the one of `top`."""
        wanted = distribution_of(top)
        if wanted is None:
            return False
        reached = filter(None, map(distribution_of, self._tops))
        return any(wanted[0] in _required_by(other) for other, _ in reached)


def _is_of_the_library(name: str) -> bool:
    """Tell whether what is assigned is something that the library has itself."""
    owner, _, last = name.rpartition(".")
    holder: Any = None
    for part in _prefixes(owner):
        holder = sys.modules.get(part, holder)
    home = holder.__name__ if isinstance(holder, ModuleType) else ""
    for part in owner[len(home) + 1 :].split(".") if owner != home else ():
        holder = vars(holder).get(part) if isinstance(holder, ModuleType | type) else None
    if isinstance(holder, ModuleType):
        return is_own(last, holder.__name__)
    if isinstance(holder, type):
        return is_own(last, holder.__module__)
    return True


def _prefixes(name: str) -> Iterator[str]:
    parts = name.split(".")
    for count in range(1, len(parts) + 1):
        yield ".".join(parts[:count])


@functools.cache
def _required_by(distribution: str) -> frozenset[str]:
    """Return the distributions that one cannot do without."""
    from importlib.metadata import PackageNotFoundError, requires

    try:
        lines = requires(distribution) or []
    except PackageNotFoundError:
        return frozenset()
    needed = [re.split(r"[^\w.-]", line, maxsplit=1)[0] for line in lines if "extra ==" not in line]
    return frozenset(one.lower().replace("_", "-") for one in needed)


def _annotated(fn: FunctionType) -> Iterator[str]:
    """Yield the names of classes of which a function's arguments are, as far as it tells."""
    keywords = fn.__kwdefaults__ or {}
    defaults = map(type, (*(fn.__defaults__ or ()), *keywords.values()))
    work = [*fn.__annotations__.values(), *defaults]
    for found in work:
        if isinstance(found, str):
            work += [fn.__globals__[one] for one in _WORD.findall(found) if one in fn.__globals__]
        elif isinstance(found, ModuleType):
            yield found.__name__
        elif isinstance(found, type):
            yield ".".join(name_of(found))
        work += [one for one in get_args(found) if one is not found]


def _texts_of(made: InForce) -> set[str]:
    """Return the texts that a setting is made with, by themselves, by a name or in a function."""
    named = [made.namespace.get(name) for name in made.code.co_names]
    functions = (texts_in(one.__code__) for one in named if isinstance(one, FunctionType))
    return texts_in(made.code).union((one for one in named if isinstance(one, str)), *functions)
