"""Lets something be done with a module as soon as it is there: imported already, or later."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

_awaited: dict[str, list[Callable[[ModuleType], object]]] = {}
_preparations: dict[str, Callable[[], None]] = {}
"""By a module's name, or the first part of it."""


def when_imported(name: str, act: Callable[[ModuleType], object]) -> None:
    """Call `act` with a module once its code has run; at once if it is imported already.

    Examples
    --------
    >>> when_imported("sys", lambda module: print(module.__name__))
    sys
    """
    _watch()
    module = sys.modules.get(name)
    if module is not None:
        act(module)
    else:
        _awaited.setdefault(name, []).append(act)


def before_imported(packages: Iterable[str], act: Callable[[], None]) -> None:
    """Call `act` once, before anything of `packages` is imported; at once if one is already.

    Of a package by its whole name, only itself is waited for.
    """
    _watch()
    names = set(packages)
    if not names.isdisjoint(sys.modules):
        act()
    else:
        _preparations.update(dict.fromkeys(names, act))


def _watch() -> None:
    if _watching not in sys.meta_path:
        sys.meta_path.insert(0, _watching)


class _Watch:
    """A finder that lets the others find, and notices when what they find has been executed."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        prepare = _preparations.get(name.partition(".")[0]) or _preparations.get(name)
        if prepare is not None:
            prepare()
            for other in [other for other, act in list(_preparations.items()) if act is prepare]:
                _preparations.pop(other, None)
        acts = _awaited.get(name)
        if acts is None:
            return None
        for finder in sys.meta_path:
            spec = None if finder is self else finder.find_spec(name, path, target)
            if spec is not None:
                _act_when_executed(spec, acts)
                return spec
        return None


_watching: Any = _Watch()


def _act_when_executed(spec: ModuleSpec, acts: list[Callable[[ModuleType], object]]) -> None:
    loader: Any = spec.loader
    execute = getattr(loader, "exec_module", None)
    if execute is None:
        return

    def execute_and_act(module: ModuleType) -> None:
        with suppress(AttributeError):
            del loader.exec_module
        execute(module)
        for act in acts:
            act(module)

    with suppress(AttributeError, TypeError):  # a loader that keeps no attributes: left alone
        loader.exec_module = execute_and_act
