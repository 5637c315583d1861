"""Follows one method through its text, for which attributes it fills where they are empty.

What is empty may be asked for only to fill it, with what follows from the object; all else that is
done with it comes after that. Whatever is not plainly so is wrong: such an attribute counts.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from stagecache.fingerprint.code.bindings import flat, is_empty, loaded, returns, stored
from stagecache.fingerprint.code.marking import NOTHING, Guard, Mark, Marking, Marks
from stagecache.fingerprint.code.mutating import MUTATORS
from stagecache.fingerprint.code.parsing import parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from collections.abc import Set as AbstractSet

_LEAVING = (ast.Return, ast.Break, ast.Continue, ast.Await, ast.Global, ast.Nonlocal)


class Method(Marking):
    r"""What a method does with attributes that it may fill.

    Parameters
    ----------
    tree : ast.FunctionDef
        Its text.
    owner : str
        The name of its class.
    wanted : frozenset of str
        The attributes that are asked about.
    ensured : dict
        Which of them other methods leave filled, by their names.

    Attributes
    ----------
    wrong : set of str
        Those of which it makes a difference whether they are filled.
    filled : dict
        What it fills where an attribute is empty, by that one's name.
    ensures : frozenset of str
        What is filled whenever it has returned.

    Examples
    --------
    >>> text = "def f(self):\n if not self._m: self._m = read()\n return self._m"
    >>> method = Method(ast.parse(text).body[0], "Table", frozenset({"_m"}), {})
    >>> method.wrong, method.filled, method.ensures
    (set(), {'_m': {'_m'}}, frozenset({'_m'}))
    """

    def __init__(
        self,
        tree: ast.FunctionDef,
        owner: str,
        wanted: frozenset[str],
        ensured: dict[str, frozenset[str]],
    ) -> None:
        self.name = tree.name
        self._tree = tree
        self._ensured = ensured
        given = [*tree.args.posonlyargs, *tree.args.args, *tree.args.kwonlyargs]
        more = [tree.args.vararg, tree.args.kwarg]
        others = {one.arg for one in (*given[1:], *more) if one is not None}
        super().__init__(owner, given[0].arg, wanted, others)
        self._stored = [*stored(tree.body)]
        self._old: set[str] = set()
        """Those of them that hold nothing any more where the attribute was filled since."""
        self._ends: list[Marks] = []
        self._inside: list[Mark] = []
        """What is being filled."""
        self.filled: dict[str, set[str]] = {}
        inner = [*ast.walk(tree)]
        if self._self in self._stored or any(
            isinstance(one, ast.Yield | ast.YieldFrom) for one in inner
        ):
            self.wrong |= wanted
        after = self._block(tree.body, NOTHING, is_last=True)
        ends = self._ends if after is None else [*self._ends, after]
        always = frozenset.intersection(*ends) if ends else NOTHING
        self.ensures = frozenset(mark.name for mark in always if not mark.key)

    # Statements -------------------------------------------------------------------------------

    def _block(
        self, body: Sequence[ast.stmt], known: Marks, *, is_last: bool = False
    ) -> Marks | None:
        """Return what is filled at the end of statements; None: that is never come to.

        Parameters
        ----------
        body : sequence of ast.stmt
            The statements.
        known : frozenset of Mark
            What is filled before.
        is_last : bool, optional
            Whether the method ends with them.
        """
        now: Marks | None = known
        for at, node in enumerate(body):
            assert now is not None
            guard, empty, full = self._guarded(node)
            if guard is None:
                now = self._statement(node, now, is_last=is_last and at == len(body) - 1)
            elif full and isinstance(full[-1], ast.Return) and not full[1:]:
                rest = body[at + 1 :]
                start = len(self._ends)
                self._block(full, now | {guard.mark})
                stop = len(self._ends)
                if not is_last and (rest or not returns(empty)):
                    self.wrong.add(guard.mark.name)
                after = self._fill_and_return([*empty, *rest], guard.mark, now, full[-1])
                # What is filled together with it is there, too, where it was filled before.
                self._ends[start:stop] = [after] * (stop - start)
                return None
            else:
                if any(not isinstance(one, ast.Pass) for one in full):
                    self.wrong.add(guard.mark.name)
                now = self._fill(empty, guard.mark, now)
            if now is None:
                return None
        return now

    def _guarded(
        self, node: ast.stmt
    ) -> tuple[Guard | None, Sequence[ast.stmt], Sequence[ast.stmt]]:
        """Return what a statement asks for, what it does where that is empty, and where not."""
        if isinstance(node, ast.If):
            guard = self._test(node.test)
            if guard is not None and guard.is_filled:
                return guard, node.orelse, node.body
            return guard, node.body, node.orelse
        if isinstance(node, ast.Try) and len(node.body) == len(node.handlers) == 1:
            (only,), (handler,) = node.body, node.handlers
            is_asking = isinstance(only, ast.Return | ast.Expr)
            mark = self._mark(only.value) if is_asking else None  # type: ignore[attr-defined]
            wanted = "KeyError" if mark is not None and mark.key else "AttributeError"
            is_caught = getattr(handler.type, "id", "") == wanted and handler.name is None
            if mark is not None and is_caught and not node.orelse and not node.finalbody:
                full = node.body if isinstance(only, ast.Return) else []
                return Guard(mark, True), handler.body, full
        return None, (), ()

    def _statement(self, node: ast.stmt, known: Marks, *, is_last: bool) -> Marks | None:
        if isinstance(node, ast.Return | ast.Raise):
            self._uses(node, known)
            if isinstance(node, ast.Return):
                self._ends.append(known)
            return None
        if isinstance(node, ast.Assign | ast.AnnAssign):
            return self._assign(node, known)
        if isinstance(node, ast.Delete):
            return known.difference(map(self._mark, node.targets))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            self._uses(node, known)
            called = node.value.func
            if isinstance(called, ast.Attribute) and self._is_self(called.value):
                return known.union(map(Mark, self._ensured.get(called.attr, ())))
            return known
        if isinstance(node, ast.With):
            for item in node.items:
                self._uses(item, known)
            return self._block(node.body, known, is_last=is_last)
        if isinstance(node, ast.If):
            self._uses(node.test, known)
            ends = [self._block(body, known) for body in (node.body, node.orelse)]
            coming = [one for one in ends if one is not None]
            return frozenset.intersection(*coming) if coming else None
        if isinstance(node, ast.For | ast.While | ast.Try):
            for part in ast.iter_child_nodes(node):
                if isinstance(part, ast.ExceptHandler):
                    self._block(part.body, known)
                elif not isinstance(part, ast.stmt):
                    self._uses(part, known)
            for body in (node.body, node.orelse, getattr(node, "finalbody", ())):
                self._block(body, known)
            return known
        self._uses(node, known)
        return known

    def _assign(self, node: ast.Assign | ast.AnnAssign, known: Marks) -> Marks:
        value = node.value
        if value is None:
            return known
        targets = [*flat(node.targets if isinstance(node, ast.Assign) else [node.target])]
        marks = {mark for mark in map(self._mark, targets) if mark is not None}
        plain = [target.id for target in targets if isinstance(target, ast.Name)]
        held = self._mark(value)
        for target in targets:
            if self._mark(target) is None:
                self._changes(target)
        if not marks and held is not None and held not in known and not held.key:
            self._alias(plain, held)
            if len(plain) != len(targets):
                self.wrong.add(held.name)
            return known
        if marks and is_empty(value):
            return known - marks
        if len(marks) == len(targets) == 1 and isinstance(value, ast.BoolOp):
            (mark,) = marks
            if isinstance(value.op, ast.Or) and self._mark(value.values[0]) == mark:
                self._fill(value.values[1:], mark, known)
                return known | marks
        if not (marks and isinstance(value, ast.Name)):
            self._uses(value, known)
        for mark in marks:
            self._store(mark)
        return known | marks

    def _store(self, mark: Mark) -> None:
        if self._inside:
            self.filled.setdefault(self._inside[-1].name, set()).add(mark.name)
        else:
            self.wrong.add(mark.name)

    # Filling ----------------------------------------------------------------------------------

    def _fill_and_return(
        self, body: Sequence[ast.stmt], mark: Mark, known: Marks, end: ast.stmt
    ) -> Marks:
        """Follow what is done where something is empty, if the method else ends with `end`."""
        last = body[-1] if body else None
        if last is not None and ast.dump(last) == ast.dump(end):
            body = body[:-1]
        elif isinstance(last, ast.Return) or getattr(end, "value", None) is not None:
            self.wrong.add(mark.name)
        after = self._fill(body, mark, known)
        self._uses(end, after)
        self._ends.append(after)
        return after

    def _fill(
        self, body: Sequence[ast.stmt] | Sequence[ast.expr], mark: Mark, known: Marks
    ) -> Marks:
        """Follow what is done, or worked out, where something is empty; return what is filled."""
        inner = [one for part in body for one in ast.walk(part)]
        made = {*stored(body)}
        own = {name for name in made if [*stored(body)].count(name) == self._stored.count(name)}
        own |= {one.arg for one in inner if isinstance(one, ast.arg)}
        empty = {name for name, other in self._aliases.items() if other == mark}
        foreign = (loaded(inner) & self._given.union(self._stored)) - own - empty
        if self._given and not foreign <= self._names_in_key(mark):
            self.wrong.add(mark.name)  # who comes first would decide
        if any(isinstance(one, _LEAVING) for one in inner) or made & self._given:
            self.wrong.add(mark.name)
        set_too = {name for name in empty & made if self._is_set_too(inner, name, mark)}
        within = set(map(id, inner))
        outside = loaded(one for one in ast.walk(self._tree) if id(one) not in within)
        if made & outside - set_too:
            self.wrong.add(mark.name)
        self._old |= empty - set_too
        if body and isinstance(body[0], ast.expr):
            for part in body:
                self._uses(part, known)
            self.filled.setdefault(mark.name, set()).add(mark.name)
            return known | {mark}
        self._inside.append(mark)
        after = self._block(body, known)  # type: ignore[arg-type]
        self._inside.pop()
        if after is None or mark not in after:  # it raises, or leaves it as it is
            self.wrong.add(mark.name)
            return known
        together = self.filled.get(mark.name, set())
        self.wrong |= together - {one.name for one in after}  # only now and then
        return known | {one for one in after if one == mark or one.name in together}

    def _names_in_key(self, mark: Mark) -> AbstractSet[str]:
        """Return the names of which a key is made: what lies there may follow from them, too."""
        if not mark.key:
            return set()
        key: Any = parse(mark.key, "eval").body
        names = {one.id for one in ast.walk(key) if isinstance(one, ast.Name)}
        if any((name in self._given) + self._stored.count(name) > 1 for name in names):
            self.wrong.add(mark.name)  # it may stand for something else by now
        written = getattr(key, "id", None)
        for one in ast.walk(self._tree) if written is not None else ():
            if isinstance(one, ast.Assign) and getattr(one.targets[0], "id", "") == written:
                key = one.value
        parts = key.elts if isinstance(key, ast.Tuple) else [key]
        if not all(isinstance(part, ast.Name | ast.Constant) for part in parts):
            self.wrong.add(mark.name)
        return names | {part.id for part in parts if isinstance(part, ast.Name)}

    def _is_set_too(self, inner: Iterable[ast.AST], name: str, mark: Mark) -> bool:
        """Tell whether a local and the attribute get the same."""
        for node in inner:
            if isinstance(node, ast.Assign) and mark in map(self._mark, node.targets):
                into = [getattr(target, "id", "") for target in node.targets]
                return name in into or getattr(node.value, "id", "") == name
        return False

    # Expressions ------------------------------------------------------------------------------

    def _changes(self, target: ast.AST) -> None:
        """Note that a part of what an expression stands for is changed."""
        while isinstance(target, ast.Attribute | ast.Subscript):
            target = target.value
            mark = self._mark(target)
            if isinstance(target, ast.Name):
                mark = self._aliases.get(target.id)
            if mark is not None and mark not in self._inside:
                self.wrong.add(mark.name)

    def _uses(self, node: ast.AST | None, known: Marks) -> None:
        """Note what is used while it may be empty."""
        if node is None:
            return
        mark = self._mark(node)
        if mark is not None:
            is_there = not known.isdisjoint({mark, Mark(mark.name)})
            if not is_there or not isinstance(getattr(node, "ctx", None), ast.Load):
                self.wrong.add(mark.name)
            if isinstance(node, ast.Subscript):
                self._uses(node.slice, known)
            return
        if isinstance(node, ast.Attribute) and self._called(node.attr) in self._wanted:
            self.wrong.add(self._called(node.attr))  # of another object, perhaps
        elif isinstance(node, ast.Constant) and node.value in self._wanted:
            self.wrong.add(str(node.value))
        elif isinstance(node, ast.Name) and node.id in self._aliases:
            alias = self._aliases[node.id]
            if alias not in known or node.id in self._old:
                self.wrong.add(alias.name)
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") in MUTATORS:
            self._changes(node.func)
        elif isinstance(node, ast.AugAssign):
            self._changes(node.target)
        for part in ast.iter_child_nodes(node):
            self._uses(part, known)
