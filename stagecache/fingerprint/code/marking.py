"""Tells which expressions of a method stand for what may be empty, or ask whether it is."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable


class Mark(NamedTuple):
    """What may be empty: an attribute, or its item under a key that is written so."""

    name: str
    key: str = ""


Marks = frozenset[Mark]


class Guard(NamedTuple):
    """A condition that asks whether something is filled."""

    mark: Mark
    is_filled: bool
    """What it says where it is true."""


NOTHING: Marks = frozenset()


class Marking:
    """What is known of a method's names.

    Parameters
    ----------
    owner : str
        The name of its class.
    itself : str
        What it calls its object.
    wanted : frozenset of str
        The attributes that are asked about.
    given : set of str
        Its other arguments.
    """

    def __init__(self, owner: str, itself: str, wanted: frozenset[str], given: set[str]) -> None:
        self._owner = owner.lstrip("_")
        self._self = itself
        self._wanted = wanted
        self._given = given
        self._aliases: dict[str, Mark] = {}
        """Locals that hold what an attribute held, which may have been empty."""
        self.wrong: set[str] = set()

    def _test(self, node: ast.expr) -> Guard | None:
        """Return what a condition asks for, if that is nothing but whether something is filled."""
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            inner = self._test(node.operand)
            return None if inner is None else inner._replace(is_filled=not inner.is_filled)
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            (op,), (right,) = node.ops, node.comparators
            if isinstance(op, ast.In | ast.NotIn):
                whole = self._mark(right)
                if whole is None or whole.key:
                    return None
                return Guard(whole._replace(key=ast.unparse(node.left)), isinstance(op, ast.In))
            if isinstance(op, ast.Is | ast.IsNot) and getattr(right, "value", ...) is None:
                mark = self._asked(node.left)
                return None if mark is None else Guard(mark, isinstance(op, ast.IsNot))
            return None
        mark = self._asked(node)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "hasattr":
            mark = self._by_text(node)
        return None if mark is None else Guard(mark, True)

    def _asked(self, node: ast.expr) -> Mark | None:
        """Return the attribute that an expression gives, be it empty or not."""
        if isinstance(node, ast.NamedExpr):
            mark = self._mark(node.value)
            if mark is not None:
                self._alias([node.target.id], mark)
            return mark
        if isinstance(node, ast.Name):
            return self._aliases.get(node.id)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "getattr":
            is_none = len(node.args) == 3 and getattr(node.args[2], "value", ...) is None
            return self._by_text(node) if is_none else None
        return self._mark(node)

    def _by_text(self, call: ast.Call) -> Mark | None:
        if len(call.args) < 2 or not self._is_self(call.args[0]):
            return None
        name = getattr(call.args[1], "value", None)
        return Mark(str(name)) if name in self._wanted else None

    def _mark(self, node: ast.AST | None) -> Mark | None:
        """Return what an expression stands for, if that may be empty."""
        if isinstance(node, ast.Subscript):
            whole = self._mark(node.value)
            return None if whole is None or whole.key else Mark(whole.name, ast.unparse(node.slice))
        if isinstance(node, ast.Attribute) and self._is_self(node.value):
            name = self._called(node.attr)
            return Mark(name) if name in self._wanted else None
        return None

    def _called(self, name: str) -> str:
        """Return what Python makes of a name with two underscores in a class."""
        is_private = name.startswith("__") and not name.endswith("__")
        return f"_{self._owner}{name}" if is_private else name

    def _is_self(self, node: ast.AST | None) -> bool:
        return isinstance(node, ast.Name) and node.id == self._self

    def _alias(self, names: Iterable[str], mark: Mark) -> None:
        for name in names:
            if name in self._given or self._aliases.setdefault(name, mark) != mark:
                self.wrong |= {mark.name, self._aliases.get(name, mark).name}
