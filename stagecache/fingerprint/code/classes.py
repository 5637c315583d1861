"""Decides what counts of a class of the user's: its attributes and those of its bases."""

from __future__ import annotations

import functools
from types import FunctionType
from typing import TYPE_CHECKING, Any

from stagecache.fingerprint.code.annotated import complete, named_in
from stagecache.fingerprint.code.foreign import is_container, library_of
from stagecache.fingerprint.code.forms import form_of
from stagecache.fingerprint.code.instructions import instructions
from stagecache.fingerprint.code.nodes import Edge
from stagecache.fingerprint.code.resolve import Slot
from stagecache.fingerprint.looking import names_of, own_names
from stagecache.fingerprint.origin import distribution_of, is_user_class

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType

    from stagecache.fingerprint.code.bytecode import Form
    from stagecache.fingerprint.code.mentions import Mention
    from stagecache.fingerprint.code.nodes import Builder, Node

# Says where the class is, follows from the rest, or is Python's own bookkeeping.
_FACTS = frozenset({
    "__module__", "__qualname__", "__doc__", "__dict__", "__weakref__", "__annotations__",
    "__firstlineno__", "__static_attributes__", "__abstractmethods__", "__parameters__",
    "__orig_bases__", "__annotate__", "__annotate_func__", "__annotations_cache__",
    "__dataclass_fields__", "__dataclass_params__", "__classdictcell__", "_abc_impl",
    "_member_map_", "_value2member_map_", "_unhashable_values_", "_unhashable_values_map_",
    "_hashable_values_", "__protocol_attrs__", "__non_callable_proto_members__",
    "__stagecache_stable__", "__slotnames__", "__final__", "__pydantic_decorators__",
    # Made from annotations, fields and validators, which count, and with addresses inside.
    "__pydantic_core_schema__", "__pydantic_validator__", "__pydantic_serializer__",
    "__pydantic_setattr_handlers__", "__msgspec_cache__",
})  # fmt: skip
_FIELD_FACTS = ("default", "default_factory", "init", "repr", "hash", "compare", "kw_only")
_OF_MEMBERS = {"_name_", "_value_", "__objclass__", "_sort_order_"}
MAKING = {
    "__new__",
    "__init__",
    "__post_init__",
    "__setstate__",
    "__set_name__",
    "__attrs_post_init__",
}
_MADE_BY_C = {"member_descriptor", "getset_descriptor"}


def build_class(graph: Builder, node: Node) -> None:
    """Give the node of a class its edges: attributes by name, then metaclass and bases."""
    cls = node.obj
    complete(cls)
    own = names_of(cls)
    graph.whole.append(own)
    _note_fills(graph, cls)
    for name in sorted(own):
        value = own[name]
        if name in _FACTS or type(value).__name__ in _MADE_BY_C:
            continue
        if name == "__init__" and _is_set_by_typing(value):
            continue
        if name == "__hash__" and _is_made_by_attrs(value):
            continue
        slot = Slot(cls, name)
        graph.seen.append((slot, value))
        node.edges.append(Edge("bound", name, name, slot))
        node.edges.append(graph.edge(value, f"{cls.__qualname__}.{name}", slot))
    for name, fact in _facts(cls):
        node.edges.append(graph.edge(fact, f"{cls.__qualname__}.{name}"))
    if _is_read_by_a_library(cls):
        for name, annotation in own.get("__annotations__", {}).items():
            node.edges.append(graph.edge([name, annotation], f"{cls.__qualname__}.{name}"))
            node.edges += named_in(graph, cls, annotation)
    if type(cls) is not type:
        node.edges.append(graph.edge(type(cls), f"metaclass of {cls.__qualname__}"))
    library = library_of(str(cls.__module__))
    if library is not None:
        node.edges.append(Edge("name", f"library {library}", cls.__qualname__))
    for base in cls.__bases__:
        node.edges.append(graph.edge(base, base.__qualname__))


def _is_set_by_typing(value: Any) -> bool:
    """Tell whether an ``__init__`` is what typing gives to protocols, and takes when they live."""
    return value is object.__init__ or getattr(value, "__module__", None) == "typing"


def _is_made_by_attrs(value: Any) -> bool:
    """Tell whether attrs wrote a ``__hash__``: the hash of a text in it is of this process.

    It follows from the fields and from the version, which count.
    """
    code = getattr(value, "__code__", None)
    return code is not None and code.co_filename.startswith("<attrs generated ")


def _facts(cls: type) -> Iterator[tuple[str, Any]]:
    """Yield what a class says about itself beside its attributes, and of what."""
    own = names_of(cls)
    if "__dataclass_params__" in own:
        yield "options", str(own["__dataclass_params__"])
    for name, field in own.get("__dataclass_fields__", {}).items():
        facts = [_unless_missing(getattr(field, fact)) for fact in _FIELD_FACTS]
        yield name, [name, str(field._field_type), *facts, dict(field.metadata)]
    for name, member in own.get("_member_map_", {}).items():
        more = getattr(member, "__dict__", {})
        yield name, [name, member._value_, {k: more[k] for k in sorted(set(more) - _OF_MEMBERS)}]
    if str(type(cls).__module__).partition(".")[0] == "msgspec":
        yield from _facts_of_struct(cls)
    yield from _registered_with(cls)


def _facts_of_struct(cls: Any) -> Iterator[tuple[str, Any]]:
    """Yield what a struct of msgspec says of itself by C code."""
    for name in ("__struct_fields__", "__struct_encode_fields__"):
        yield name, getattr(cls, name)
    for default in cls.__struct_defaults__:
        yield "__struct_defaults__", getattr(default, "factory", default)
    config = cls.__struct_config__
    names = [name for name in dir(config) if not name.startswith("_")]
    yield "__struct_config__", [[name, getattr(config, name)] for name in names]


def _registered_with(cls: type) -> Iterator[tuple[str, Any]]:
    """Yield the classes that count as subclasses of an abstract one for they were registered."""
    if "_abc_impl" in names_of(cls) and cls.__module__ != "abc":
        from _abc import _get_dump  # type: ignore[import-not-found]

        found = [reference() for reference in _get_dump(cls)[0]]
        classes = [one for one in found if one is not None]
        for one in sorted(classes, key=lambda one: (one.__module__, one.__qualname__)):
            yield f"register({one.__qualname__})", one


def _unless_missing(value: Any) -> Any:
    return "MISSING" if type(value).__name__ == "_MISSING_TYPE" else value


def _is_read_by_a_library(cls: type) -> bool:
    """Tell whether a library may act on annotations, as pydantic, attrs and msgspec do."""
    makers = [type(cls), *cls.__mro__]
    if "__attrs_attrs__" in names_of(cls):
        return True
    return any(distribution_of(str(maker.__module__)) is not None for maker in makers)


def _note_fills(graph: Builder, cls: type) -> None:
    """Find class attributes that methods fill (``cls.cache[key] = …``): they do not count."""
    assigned_on_instances = set()
    filled = []
    is_known = all(map(_is_known, cls.__mro__))
    for name, value in names_of(cls).items():
        kind = type(value)  # to ask what pydantic puts there makes the class another one
        is_class_method = issubclass(kind, classmethod) or name == "__new__"
        is_static = issubclass(kind, staticmethod) and name != "__new__"
        fn = value.__func__ if issubclass(kind, classmethod | staticmethod) else value
        if not issubclass(type(fn), FunctionType):
            continue
        method = name if is_known and not name.startswith("__") else ""
        if method:
            graph.methods.setdefault(id(fn), method)
        if is_static or name == "__init_subclass__":
            continue
        form = form_of(fn.__code__)
        for fill in form.fills:
            path = fill.slot.attributes
            if fill.slot.kind != "first" or not path:
                continue
            of_class = is_class_method or path[0] == "__class__"
            path = path[1:] if path[0] == "__class__" else path
            if not path:
                continue
            if fill.assigned and len(path) == 1:
                if of_class:
                    by = method if only_writes(form, fn.__code__, path[0]) else ""
                    _note_fill(graph, cls, path[0], by, assigned=True)
                else:
                    assigned_on_instances.add(path[0])
            else:
                filled.append((path[0], method if only_writes(form, fn.__code__, path[0]) else ""))
    for name, method in filled:
        held = next((names_of(c)[name] for c in cls.__mro__ if name in names_of(c)), None)
        # What __init__ puts on the instance is not the attribute of the class.
        if name not in assigned_on_instances and is_container(held):
            _note_fill(graph, cls, name, method, assigned=False)


def _note_fill(graph: Builder, cls: type, name: str, method: str, *, assigned: bool) -> None:
    graph.note_if_called(method, lambda: graph.note_class_fill(cls, name, assigned=assigned))


def only_writes(form: Form, code: CodeType, name: str) -> bool:
    """Tell whether a function fills what is called `name` and does not ask for it, as memos do."""
    fills = [one for one in form.fills if name in (*one.slot.attributes, one.slot.name)]
    loads = [one for one in instructions(code) if one.name == name and one.op == "LOAD_ATTR"]
    return len(loads) <= sum(not one.assigned for one in fills)


def _is_known(base: type) -> bool:
    """Tell whether nobody calls the methods of a class by names that its code does not mention."""
    return base is object or is_user_class(base) or base.__module__ in ("abc", "typing", "enum")


def changed_by_methods(cls: type) -> set[str]:
    """Return the attributes that the methods of a class set or fill once an object is made."""
    return {
        fill.slot.attributes[0]
        for name, fn, _ in functions_of(cls)
        if name not in MAKING
        for fill in form_of(fn.__code__).fills
        if _is_of_first(fill.slot)
    }


def functions_of(cls: type) -> Iterator[tuple[str, FunctionType, bool]]:
    """Yield the functions of a class and its bases: of which name, and if they get the object."""
    for base in cls.__mro__:
        for name, value in names_of(base).items() if is_user_class(base) else ():
            parts: tuple[Any, ...] = (value,)
            if isinstance(value, property):
                parts = value.fget, value.fset, value.fdel
            elif isinstance(value, functools.cached_property):
                parts = (value.func,)
            elif isinstance(value, staticmethod | classmethod):
                parts = (value.__func__,)
            for part in parts:
                while part is not None:
                    if isinstance(part, FunctionType):
                        yield name, part, not isinstance(value, staticmethod | classmethod)
                    part = own_names(part).get("__wrapped__")


def _is_of_first(slot: Mention) -> bool:
    return slot.kind == "first" and bool(slot.attributes)
