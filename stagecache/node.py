"""The word `Node`: a stage call traced inside a pipeline function, and how values hold nodes."""

from __future__ import annotations

import sys
import typing
from typing import TYPE_CHECKING, Any, NoReturn

from stagecache.errors import TraceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stagecache.stage import Stage


class Node:
    """What a stage call returns inside a pipeline function: the promise of a value.

    A node can be passed to other stages, alone or inside lists, tuples and dicts, unpacked
    (``a, b = split(df)``), indexed (``parts["train"]``) and returned. It has no value yet, so
    everything else raises :class:`TraceError`, saying what to write instead.
    """

    __slots__ = ("_bound", "_index", "_name", "_owner", "_stage", "_upstream")

    def __init__(
        self,
        owner: object,
        stage: Stage[..., Any],
        bound: dict[str, Any],
        index: int,
        upstream: tuple[int, ...],
    ) -> None:
        self._owner = owner
        self._stage = stage
        self._bound = bound
        self._index = index
        self._upstream = upstream
        self._name = stage.name

    def __getitem__(self, index: Any) -> Item:
        return Item(self, index)

    def __iter__(self) -> Iterator[Item]:
        count = _tuple_length(self._stage.parameters.returns)
        if count is None:
            count = _unpacked_by(sys._getframe(1))
        if count is None:
            self._refuse(
                "is iterated over",
                "Its length is known only when it has run. Say how many in the stage's return "
                "annotation (`-> tuple[A, B]`), unpack it (`a, b = ...`), or move the loop into "
                "a stage.",
            )
        return iter([Item(self, i) for i in range(count)])

    def _refuse(self, what: str, advice: str) -> NoReturn:
        raise TraceError(f"{self!r} {what}, but inside a pipeline it has no value yet. {advice}")

    def __bool__(self) -> bool:
        self._refuse(
            "is used as a condition",
            "Move the `if` into a stage that takes the value, or decide by an argument of the "
            "pipeline.",
        )

    def _no_value(self, *_: Any) -> Any:
        self._refuse(
            "is used in an expression", "Put the expression into a stage that takes the value."
        )

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = _no_value
    __rtruediv__ = __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __pow__ = _no_value
    __rpow__ = __matmul__ = __rmatmul__ = __and__ = __rand__ = __or__ = __ror__ = _no_value
    __xor__ = __rxor__ = __neg__ = __pos__ = __invert__ = __abs__ = _no_value
    __lt__ = __le__ = __gt__ = __ge__ = _no_value
    __float__ = __int__ = __index__ = __complex__ = __contains__ = __setitem__ = _no_value
    __call__ = _no_value

    def __len__(self) -> int:
        self._refuse("is asked for its length", "Put `len(...)` into a stage.")

    def __eq__(self, other: object) -> bool:
        if other is self:
            return True
        if isinstance(other, Node):
            return False
        self._no_value()
        return False  # pragma: no cover - _no_value raises

    __hash__ = object.__hash__

    def __str__(self) -> str:
        self._refuse("is turned into a string", "Build the string in a stage.")

    def __format__(self, _: str) -> str:
        return str(self)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # protocols that Python and libraries ask for
            raise AttributeError(name)
        self._refuse(
            f"is asked for its attribute `{name}`", "Use the attribute in a stage that takes it."
        )

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TraceError(
            f"{self!r} is a node of a pipeline, not a value: it cannot be copied, pickled or "
            "passed to a stage outside its pipeline. Return it from the pipeline function and "
            "use the pipeline's result."
        )

    def __repr__(self) -> str:
        return f"<node {name_of(self)}>"


class Item(Node):
    """An element of a node's value: ``node[index]``."""

    __slots__ = ("_at", "_parent")

    def __init__(self, parent: Node, at: Any) -> None:
        if holds_nodes(at):
            parent._refuse("is indexed by a node", "Do the look-up in a stage that takes both.")
        super().__init__(
            parent._owner, parent._stage, parent._bound, parent._index, parent._upstream
        )
        self._parent = parent
        self._at = at

    def __iter__(self) -> Iterator[Item]:
        count = _unpacked_by(sys._getframe(1))
        if count is None:
            self._refuse("is iterated over", "Unpack it, or move the loop into a stage.")
        return iter([Item(self, i) for i in range(count)])


def name_of(node: Node) -> str:
    """Return what people know a node by: its stage, which call of it, which element."""
    if isinstance(node, Item):
        return f"{name_of(node._parent)}[{node._at!r}]"
    return node._name


def substitute(value: Any, replace: Callable[[Node], Any]) -> Any:
    """Return `value` with each node in it, at any depth of lists, tuples and dicts, replaced.

    A value without nodes is returned as it is, not copied.
    """
    if isinstance(value, Node):
        return replace(value)
    kind = type(value)
    if kind is list or kind is tuple:
        new = [substitute(element, replace) for element in value]
        if all(a is b for a, b in zip(new, value, strict=True)):
            return value
        return kind(new)
    if kind is dict:
        changed = {key: substitute(element, replace) for key, element in value.items()}
        return changed if any(changed[key] is not value[key] for key in value) else value
    if isinstance(value, tuple) and hasattr(value, "_make"):
        return value._make([substitute(element, replace) for element in value])
    return value


def nodes_in(value: Any) -> list[Node]:
    """Return the nodes in `value`, at any depth of lists, tuples and dicts, in order."""
    found: list[Node] = []
    _collect(value, found)
    return found


def holds_nodes(value: Any) -> bool:
    """Tell whether there is a node in `value`."""
    return bool(nodes_in(value))


def _collect(value: Any, found: list[Node]) -> None:
    if isinstance(value, Node):
        found.append(value)
    elif isinstance(value, list | tuple):
        for element in value:
            _collect(element, found)
    elif type(value) is dict:
        for element in value.values():
            _collect(element, found)


def _tuple_length(annotation: Any) -> int | None:
    if typing.get_origin(annotation) is not tuple:
        return None
    arguments = typing.get_args(annotation)
    return None if Ellipsis in arguments else len(arguments)


def _unpacked_by(frame: Any) -> int | None:
    """Return how many names the caller's current instruction unpacks into, or None."""
    import opcode

    code, at = frame.f_code.co_code, frame.f_lasti
    if code[at] != opcode.opmap["UNPACK_SEQUENCE"]:
        return None
    count: int = code[at + 1]
    shift, before = 8, at - 2
    while before >= 0 and code[before] == opcode.opmap["EXTENDED_ARG"]:
        count |= code[before + 1] << shift
        shift, before = shift + 8, before - 2
    return count
