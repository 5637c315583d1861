"""Decides which attributes of an object it makes no difference of whether they are filled yet.

A method fills them where they are empty, which ``guards`` finds in its text, and nothing else that
is known of the class touches them.
"""

from __future__ import annotations

from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any, NamedTuple

from stagecache.fingerprint.code.bytecode import normal_form
from stagecache.fingerprint.code.classes import MAKING, changed_by_methods, functions_of
from stagecache.fingerprint.code.forms import form_of
from stagecache.fingerprint.code.parsing import parse
from stagecache.fingerprint.looking import has_by_itself, names_of
from stagecache.fingerprint.origin import is_user_class

if TYPE_CHECKING:
    import ast

    from stagecache.fingerprint.code.guards import Method

_ANSWERING = ("__getattr__", "__getattribute__", "__setattr__", "__delattr__")
"""By which a class does as it likes with attributes."""
_BY_ANY_NAME = frozenset({"setattr", "delattr", "vars", "__dict__", "__setattr__"})


class Lazy(NamedTuple):
    """What the methods of a class fill where it is empty."""

    names: frozenset[str]
    codes: frozenset[CodeType]
    """All code of the class that mentions one of them."""
    fillers: tuple[FunctionType, ...]
    """Those that fill one."""


_NOTHING = Lazy(frozenset(), frozenset(), ())
_known: dict[int, tuple[type, list[CodeType], Lazy]] = {}
_MOST_KNOWN = 1000


def lazy_in(cls: type) -> Lazy:
    """Return what the methods of a class fill where it is empty, and only there.

    Parameters
    ----------
    cls : type
        A class of the user's. What a method mentions whose text is not to be had is left out.
    """
    if not changed_by_methods(cls):
        return _NOTHING
    codes = [fn.__code__ for _, fn, _ in functions_of(cls)]
    known = _known.get(id(cls))
    if known is None or known[0] is not cls or known[1] != codes:
        if len(_known) >= _MOST_KNOWN:  # a notebook that defines its classes over and over
            _known.clear()
        known = _known[id(cls)] = cls, codes, _found_in(cls)
    return known[2]


def mentions(code: CodeType) -> set[str]:
    """Return the names and texts in a code object and those nested in it."""
    found = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            found |= mentions(constant)
        elif isinstance(constant, str):
            found.update(constant.split("."))  # operator.attrgetter("a.b")
    return found


def fills_where_empty(code: CodeType, namespace: dict[str, Any]) -> bool:
    """Tell whether a method fills an attribute where it is empty, and only there.

    Parameters
    ----------
    code : CodeType
        Of the method.
    namespace : dict
        Where its module has its class.
    """
    if not any(fill.slot.kind == "first" for fill in form_of(code).fills):
        return False
    found: Any = None
    for name in code.co_qualname.split(".")[:-1]:
        found = namespace.get(name) if found is None else names_of(found).get(name)
        if not isinstance(found, type):
            return False
    return found is not None and any(fn.__code__ is code for fn in lazy_in(found).fillers)


def _found_in(cls: type) -> Lazy:
    wanted = changed_by_methods(cls)
    if any(_is_answered(cls, name) for name in _ANSWERING):
        return _NOTHING
    wrong = {name for name in wanted if has_by_itself(cls, name) and _is_set_by_class(cls, name)}
    methods: list[tuple[FunctionType, ast.FunctionDef]] = []
    mentioning: dict[CodeType, set[str]] = {}
    for name, fn, is_method in functions_of(cls):
        code = fn.__code__
        named = mentions(code)
        mentioning[code] = wanted & named
        if name in MAKING:
            continue
        if not _BY_ANY_NAME.isdisjoint(named):
            return _NOTHING
        tree = _tree(fn) if is_method and mentioning[code] else None
        if tree is None:
            wrong |= mentioning[code]
        else:
            methods.append((fn, tree))
    return _judged(methods, frozenset(wanted), wrong, mentioning)


def _judged(
    methods: list[tuple[FunctionType, ast.FunctionDef]],
    wanted: frozenset[str],
    wrong: set[str],
    mentioning: dict[CodeType, set[str]],
) -> Lazy:
    from stagecache.fingerprint.code.guards import Method

    ensured: dict[str, frozenset[str]] = {}
    read: list[tuple[FunctionType, Method]] = []
    for _ in range(2):  # of what a method calls it has to be known what that fills
        read = [(fn, Method(tree, _owner(fn.__code__), wanted, ensured)) for fn, tree in methods]
        ensured = {}
        for _, method in read:
            ensured[method.name] = method.ensures & ensured.get(method.name, method.ensures)
    together: dict[str, set[frozenset[str]]] = {}
    for _, method in read:
        wrong |= method.wrong
        for guard, filled in method.filled.items():
            together.setdefault(guard, set()).add(frozenset(filled))
    for guard, groups in together.items():
        if len(groups) > 1:
            wrong |= {guard}.union(*groups)
    guards = [name for groups in together.values() for filled in groups for name in filled]
    wrong |= {name for name in wanted if guards.count(name) != 1}
    names = frozenset(wanted - wrong)
    return Lazy(
        names,
        frozenset(code for code, named in mentioning.items() if named & names),
        tuple(fn for fn, one in read if not names.isdisjoint(set().union(*one.filled.values()))),
    )


def _is_answered(cls: type, name: str) -> bool:
    return any(name in names_of(base) for base in cls.__mro__ if is_user_class(base))


def _is_set_by_class(cls: type, name: str) -> bool:
    """Tell whether to assign an attribute is up to something that the class has of that name."""
    held = next(names_of(base)[name] for base in cls.__mro__ if name in names_of(base))
    return type(held).__name__ != "member_descriptor" and has_by_itself(type(held), "__set__")


def _owner(code: CodeType) -> str:
    return code.co_qualname.rpartition(".")[0].rpartition(".")[2]


def _tree(fn: FunctionType) -> ast.FunctionDef | None:
    """Return the text of a method as a tree; None: there is none, or it is not what runs."""
    import ast
    import inspect
    import textwrap

    code = fn.__code__
    try:
        text = inspect.getsource(fn)
        if not text[:1].isspace():
            text = textwrap.indent(text, " ")
        text = f"class {_owner(code)}:\n{text}"
        made = _inner(compile(text, "<text>", "exec", dont_inherit=True), _owner(code))
        same = None if made is None else _inner(made, code.co_name)
        if same is None or normal_form(same).digest != normal_form(code).digest:
            return None
        (cls,) = parse(text).body
    except (OSError, TypeError, SyntaxError, ValueError, RecursionError):
        return None
    tree: Any = cls.body[0]
    return tree if type(tree) is ast.FunctionDef and tree.args.args else None


def _inner(code: CodeType, name: str) -> CodeType | None:
    found = (one for one in code.co_consts if isinstance(one, CodeType) and one.co_name == name)
    return next(found, None)
