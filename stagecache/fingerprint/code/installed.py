"""Decides what counts where code asks which modules and packages there are.

A plugin is code that nothing mentions, found by its entry point; a fast way is taken if its
package is there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stagecache.fingerprint.code.extensions import names_in
from stagecache.fingerprint.code.nodes import Edge
from stagecache.fingerprint.origin import distribution_of, is_findable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType, FunctionType

_OF_MODULES = {
    "find_spec", "find_loader", "get_loader", "get_data", "files", "contents", "is_resource",
    "read_text", "read_binary", "open_text", "open_binary", "path",
}  # fmt: skip
_OF_PACKAGES = {"version", "metadata", "distribution", "requires"}
_OF_ALL = {"entry_points", "distributions", "packages_distributions"}
_HOMES = ("importlib.util.", "importlib.resources.", "importlib.metadata.", "pkgutil.")


def is_question(name: str) -> bool:
    """Tell whether a function of the standard library tells what is installed.

    Examples
    --------
    >>> is_question("importlib.metadata.version"), is_question("os.path.join")
    (True, False)
    """
    return name.startswith(_HOMES) and name.rpartition(".")[2] in (
        _OF_MODULES | _OF_PACKAGES | _OF_ALL
    )


def answers(name: str, fn: FunctionType) -> Iterator[Edge]:
    """Yield what a question of `fn` is answered by, for each text that its code holds.

    Parameters
    ----------
    name : str
        For which :func:`is_question`.
    fn : function
        Whose code asks; what it asks for is one of its constants, or of the globals it names.
    """
    asks = name.rpartition(".")[2]
    texts = sorted(set(_texts(fn)))
    if asks in _OF_ALL:
        yield from _found(asks == "entry_points", texts, name)
        return
    for text in texts:
        if not text.replace(".", "_").replace("-", "_").isidentifier():
            continue
        if asks in _OF_PACKAGES:
            yield Edge("name", f"version of {text}: {_version(text)}", name)
        else:
            package = distribution_of(text)
            if package is not None:
                yield Edge("package", (*package, text), name)
            else:
                yield Edge("name", f"module {text}: {is_findable(text)}", name)


def _texts(fn: FunctionType) -> Iterator[str]:
    yield from _constants(fn.__code__)
    for name in names_in(fn.__code__):
        value = fn.__globals__.get(name)
        if isinstance(value, str):
            yield value


def _constants(code: CodeType) -> Iterator[str]:
    for constant in code.co_consts:
        if isinstance(constant, str):
            yield constant
        elif hasattr(constant, "co_consts"):
            yield from _constants(constant)


def _version(distribution: str) -> str | None:
    from importlib import metadata

    try:
        return metadata.version(distribution)
    except (metadata.PackageNotFoundError, ValueError):
        return None


def _found(are_points: bool, groups: list[str], label: str) -> Iterator[Edge]:
    """Yield all distributions, or the entry points of those groups that the code names."""
    from importlib import metadata

    def name_of(one: Any) -> tuple[str, str]:
        return str(one.metadata["Name"]), str(one.version)

    if not are_points:
        for each in sorted({name_of(one) for one in metadata.distributions()}):
            yield Edge("package", (*each, ""), label)
        return
    points = metadata.entry_points()
    for group in groups:
        for point in sorted(points.select(group=group), key=lambda one: (one.name, one.value)):
            owner = name_of(point.dist) if point.dist is not None else ("", "")
            yield Edge("package", (*owner, f"{group}: {point.name} = {point.value}"), label)
