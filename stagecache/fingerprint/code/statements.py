"""Finds the statements of a program that set state inside of libraries: ``np.seterr(all="raise")``.

Its text is read and nothing of it is run. What of it is in force is decided by ``settings``.
"""

from __future__ import annotations

import ast
import copy
import functools
from contextlib import suppress
from types import CodeType
from typing import TYPE_CHECKING, Any, TypeVar

from stagecache.fingerprint.code.acts import Call, Items, Place, Program, Setting
from stagecache.fingerprint.code.parsing import parse
from stagecache.fingerprint.code.setters import (
    OF_DATABASES,
    is_block,
    is_counted,
    is_getter,
    is_handing,
    is_registering,
    is_replacing,
    is_setter,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from stagecache.fingerprint.code.meanings import Names

    Function = ast.FunctionDef | ast.AsyncFunctionDef


T = TypeVar("T", bound=ast.AST)


_STORES = (ast.Assign, ast.AnnAssign)


def read_program(text: str, names: Names) -> Program:
    r"""Find the settings in the text of a module or of a cell.

    Parameters
    ----------
    text : str
        Its text.
    names : Names
        What names stand for before it runs; what it binds is added.

    Raises
    ------
    SyntaxError, ValueError, RecursionError, MemoryError
        If it is no program, or none that can be read.

    Examples
    --------
    >>> from stagecache.fingerprint.code.meanings import Names
    >>> program = read_program("import numpy as np\nnp.seterr(all='raise')\nprint(1)", Names())
    >>> [item.library for item in program.items if isinstance(item, Setting)]
    ['numpy.seterr']
    """
    tree = parse(text)
    names.bind(_imported(tree.body))
    items = tuple(_Finder(names).found(tree.body))
    functions: dict[tuple[int, str], Items] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            inner = names.inside(_imported(node.body))
            found = tuple(_Finder(inner).found(node.body))
            if found:
                first = min((one.lineno for one in node.decorator_list), default=node.lineno)
                functions[first, node.name] = found
    return Program(items, functions)


def _imported(body: Iterable[ast.stmt]) -> Iterator[tuple[str, str]]:
    """Yield the names that import statements bind, with what they stand for; not in functions."""
    for node in body:
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                yield alias.asname or top, alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                start = "." * node.level + (node.module or "")
                yield alias.asname or alias.name, f"{start}.{alias.name}"
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            for _, blocks in ast.iter_fields(node):
                for inner in blocks if isinstance(blocks, list) else ():
                    if isinstance(inner, ast.stmt):
                        yield from _imported([inner])
                    elif isinstance(inner, ast.ExceptHandler | ast.match_case):
                        yield from _imported(inner.body)


class _Finder:
    """Finds settings among statements.

    Parameters
    ----------
    names : Names
        What names stand for.
    """

    def __init__(self, names: Names) -> None:
        self._names = names
        self._meant = names.meant
        self._around: tuple[ast.stmt, ...] = ()
        """The conditions and loops that a statement is in, without what they hold."""
        self._loop: ast.stmt | None = None
        self._until = 0
        self._is_of_scripts = False

    def found(self, body: Iterable[ast.stmt]) -> Iterator[Setting | Call]:
        for node in body:
            if isinstance(node, ast.If):
                asked = {one.id for one in ast.walk(node.test) if isinstance(one, ast.Name)}
                if asked == {"__name__"}:
                    yield from self._inside(node.body, is_of_scripts=True)
                    yield from self.found(node.orelse)
                else:
                    yield from self._inside(node.body, ast.If(node.test, [], []))
                    other = ast.UnaryOp(ast.Not(), node.test)
                    yield from self._inside(node.orelse, ast.If(other, [], []))
            elif isinstance(node, ast.For | ast.AsyncFor):
                around = ast.For(node.target, node.iter, [], [])
                yield from self._inside(node.body, around, loop=node)
            elif isinstance(node, ast.While):
                yield from self._inside(node.body, ast.If(node.test, [], []), loop=node)
            elif isinstance(node, ast.With | ast.AsyncWith):
                yield from self._in_block(node)
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield from self._decorated(node)
            elif isinstance(node, ast.ClassDef):
                yield from self._of_class(node)
            elif isinstance(node, ast.Try) or type(node).__name__ == "TryStar":
                block: Any = node
                handlers = [one.body for one in block.handlers]
                for part in (block.body, *handlers, block.orelse, block.finalbody):
                    yield from self.found(part)
            elif isinstance(node, ast.Match):
                for case in node.cases:
                    yield from self.found(case.body)
            else:
                yield from self._in_simple(node)

    def _inside(
        self,
        body: Iterable[ast.stmt],
        *around: ast.stmt,
        loop: ast.stmt | None = None,
        until: int = 0,
        is_of_scripts: bool = False,
    ) -> Iterator[Setting | Call]:
        before = self._around, self._loop, self._until, self._is_of_scripts
        self._around += around
        self._loop = self._loop or loop
        self._until = self._until or until
        self._is_of_scripts |= is_of_scripts
        yield from self.found(body)
        self._around, self._loop, self._until, self._is_of_scripts = before

    def _in_block(self, node: ast.With | ast.AsyncWith) -> Iterator[Setting | Call]:
        until = 0
        for item in node.items:
            made, name = item.context_expr, item.optional_vars
            if not isinstance(made, ast.Call) or not is_block(_last(made.func)):
                continue
            called = self._name_of(made.func)
            if called is not None:
                until = node.end_lineno or 0
                yield from self._setting(called, ast.Expr(made), node, made, until)
                if isinstance(name, ast.Name):
                    self._meant[name.id] = made
        yield from self._inside(node.body, until=until)

    def _decorated(self, node: Function) -> Iterator[Setting]:
        for decorator in node.decorator_list:
            called = self._name_of(decorator.func if isinstance(decorator, ast.Call) else decorator)
            if called is not None and called.endswith(".register"):
                alone = copy.copy(node)
                alone.decorator_list = [decorator]
                yield from self._setting(called, alone, node, decorator)

    def _of_class(self, node: ast.ClassDef) -> Iterator[Setting]:
        for base in node.bases:
            name = self._name_of(base)
            if name is not None and is_registering(name):
                made = ast.Name(node.name, ast.Load())
                yield from self._setting(name, ast.Expr(made), node, made)

    def _in_simple(self, node: ast.stmt) -> Iterator[Setting | Call]:
        for target in getattr(node, "targets", None) or [getattr(node, "target", None)]:
            if isinstance(target, ast.Attribute | ast.Subscript):
                stored = self._name_of(target)
                if stored is not None:
                    yield from self._setting(stored, node, node, target)
                    return
        value = getattr(node, "value", None)
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            self._note_meaning(node.targets[0].id, node.value)
        if not isinstance(value, ast.expr):
            return
        calls = list(_calls_in(value))
        for call in calls:
            last = _last(call.func)
            if isinstance(call.func, ast.Attribute) and is_handing(last, _texts_in(call)):
                handed = ast.Tuple([*call.args, *(one.value for one in call.keywords)], ast.Load())
                name = f"{OF_DATABASES}.{last}"
                yield from self._setting(name, ast.Return(handed), node, handed)
                return
            if isinstance(call.func, ast.Name):
                last = self._names.full_name(last) or last
            if not is_setter(last, of_a_part=self._is_of_a_part(call.func)):
                continue
            called = self._name_of(call.func)
            if called is not None:
                yield from self._setting(called, ast.Expr(value), node, call)
                return
        for call in calls:  # sys.exit(main())
            yield from self._call(call, node)

    def _note_meaning(self, name: str, value: ast.expr) -> None:
        self._meant.pop(name, None)
        function = value.func if isinstance(value, ast.Call) else None
        gets = function is not None and is_getter(_last(function))
        if (gets or isinstance(value, ast.Attribute)) and self._name_of(value) is not None:
            self._meant[name] = value

    def _name_of(self, node: ast.expr) -> str | None:
        """Return the full name of something of a library's; None: it is none, or does not count."""
        parts: list[str] = []
        while not isinstance(node, ast.Name) or node.id in self._meant:
            if isinstance(node, ast.Attribute):
                parts.append(node.attr)
                node = node.value
            elif isinstance(node, ast.Subscript):
                node = node.value
            elif isinstance(node, ast.Call):
                node = node.func
                if not is_getter(_last(node)) and not is_block(_last(node)):
                    return None  # what it makes is the program's own
            elif isinstance(node, ast.Name):
                node = self._meant[node.id]
            else:
                return None
        start = self._names.in_library(node.id)
        if start is None:
            return None
        name = ".".join((start, *reversed(parts)))
        return name if is_counted(name) else None

    def _is_of_a_part(self, function: ast.expr) -> bool:
        if not isinstance(function, ast.Attribute):
            return False
        owner = function.value
        return not isinstance(owner, ast.Name) or "." in (self._names.full_name(owner.id) or ".")

    def _setting(
        self, name: str, does: ast.stmt, node: ast.stmt | ast.expr, sets: ast.expr, until: int = 0
    ) -> Iterator[Setting]:
        does, sets = self._spelled_out(does), self._spelled_out(sets)
        code = _compiled(does, self._around)
        if code is None:
            return
        conditions = [one for one in self._around if isinstance(one, ast.If)]
        turn = _compiled(does, conditions) if conditions != [*self._around] else None
        text = ast.unparse(does)
        if isinstance(sets, ast.Call):
            given = [*sets.args, *sets.keywords]
            group = f"{name} {ast.unparse(sets.args[0])}" if sets.args and given[1:] else name
            target = text
            if is_replacing(name) and not sets.args[2:]:
                target = " ".join((group, *(str(one.arg) for one in sets.keywords)))
        else:
            of_it = ast.unparse(sets.slice) if isinstance(sets, ast.Subscript) else ""
            group = target = f"{name} {of_it}" if isinstance(does, _STORES) else text
        if self._around:
            target += " ".join(ast.unparse(ast.fix_missing_locations(one)) for one in self._around)
        is_stored = isinstance(sets, ast.Attribute)
        yield Setting(name, group, target, self._place(node, until), is_stored, code, turn, text)

    def _call(self, call: ast.Call, node: ast.stmt) -> Iterator[Call]:
        names: list[str] = []
        function: ast.expr = call.func
        while isinstance(function, ast.Attribute):
            names.append(function.attr)
            function = function.value
        if isinstance(function, ast.Name):
            names.append(function.id)
            called = (self._names.full_name(names[0]) or names[0]).rpartition(".")[2]
            place = self._place(node, 0)
            given = functools.cache(self._giving(call))
            yield Call(tuple(reversed(names)), called, place, given)

    def _giving(self, call: ast.Call) -> Callable[[], tuple[CodeType, str] | None]:
        """Return what makes the code of the arguments of a call: most are never asked for."""
        around, meant = self._around, dict(self._meant)
        values = [*call.args, *(one.value for one in call.keywords)]

        def given() -> tuple[CodeType, str] | None:
            does = ast.Return(ast.Tuple(copy.deepcopy(values), ast.Load()))
            code = _compiled(_Replaced(meant).visit(does), around) if values else None
            return None if code is None else (code, ast.unparse(call))

        return given

    def _place(self, node: ast.stmt | ast.expr, until: int) -> Place:
        loop, until = self._loop, until or self._until
        if loop is None:
            return Place(node.lineno, 0, until, self._is_of_scripts)
        return Place(loop.lineno, loop.end_lineno or 0, until, self._is_of_scripts)

    def _spelled_out(self, node: T) -> T:
        """Return a copy in which names of the program's own are replaced by what they stand for."""
        spelled: T = _Replaced(self._meant).visit(copy.deepcopy(node))
        return spelled


class _Replaced(ast.NodeTransformer):
    def __init__(self, meant: dict[str, ast.expr]) -> None:
        self._meant = meant

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self._meant.get(node.id, node) if isinstance(node.ctx, ast.Load) else node


def _calls_in(node: ast.expr) -> Iterator[ast.Call]:
    """Yield the calls in an expression, but for those that are only made when it is called."""
    if isinstance(node, ast.Lambda):
        return
    if isinstance(node, ast.Call):
        yield node
    for inner in ast.iter_child_nodes(node):
        if isinstance(inner, ast.expr):
            yield from _calls_in(inner)
        elif isinstance(inner, ast.keyword):
            yield from _calls_in(inner.value)


def _texts_in(call: ast.Call) -> Iterator[str]:
    for given in call.args:
        for one in ast.walk(given):
            if isinstance(one, ast.Constant) and isinstance(one.value, str):
                yield one.value


def _last(function: ast.expr) -> str:
    return str(getattr(function, "attr", getattr(function, "id", "")))


def _compiled(does: ast.stmt, around: Sequence[ast.stmt]) -> CodeType | None:
    """Return the code of a function that does something under the same conditions."""
    for outer in reversed(around):
        held = copy.copy(outer)
        held.body = [does]  # type: ignore[attr-defined]
        does = held
    for start in ("def", "async def"):  # a cell may await something
        module = parse(f"{start} setting(): pass")
        module.body[0].body = [does]
        with suppress(SyntaxError, ValueError, RecursionError):
            made = compile(ast.fix_missing_locations(module), "<setting>", "exec")
            return next(one for one in made.co_consts if isinstance(one, CodeType))
    return None
