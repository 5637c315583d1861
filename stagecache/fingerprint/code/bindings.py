"""Tells what statements bind, look up and end with, by their text alone."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_NAMING = (
    ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.ExceptHandler, ast.MatchAs,
    ast.MatchStar,
)  # fmt: skip


def flat(targets: Iterable[ast.expr]) -> Iterable[ast.expr]:
    """Yield what is assigned one by one where several things are at once."""
    for target in targets:
        if isinstance(target, ast.Tuple | ast.List):
            yield from flat(target.elts)
        else:
            yield target.value if isinstance(target, ast.Starred) else target


def stored(body: Iterable[ast.AST]) -> Iterable[str]:
    """Yield the locals that statements bind, each as often as they do; modules are none."""
    for part in body:
        for node in ast.walk(part):
            if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
                yield node.id
            elif isinstance(node, _NAMING) and node.name:
                yield node.name


def loaded(nodes: Iterable[ast.AST]) -> set[str]:
    """Return the names that nodes, not what is inside of them, look up."""
    return {one.id for one in nodes if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Load)}


def returns(body: Sequence[ast.stmt]) -> bool:
    """Tell whether statements end with ``return``."""
    return bool(body) and isinstance(body[-1], ast.Return)


def is_empty(value: ast.expr) -> bool:
    """Tell whether a value is nothing: to assign it is to forget what is there."""
    if isinstance(value, ast.Constant):
        return not value.value
    if isinstance(value, ast.Dict | ast.List | ast.Tuple):
        return not (value.keys if isinstance(value, ast.Dict) else value.elts)
    if not isinstance(value, ast.Call) or value.args or value.keywords:
        return False
    return getattr(value.func, "id", "") in ("dict", "list", "set")
