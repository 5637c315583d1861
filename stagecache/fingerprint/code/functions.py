"""Decides what counts of a function of the user's: what its code mentions, and its defaults."""

from __future__ import annotations

import builtins
import os
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from stagecache.fingerprint.code.extensions import extension_code, extensions
from stagecache.fingerprint.code.facts import INTROSPECTION, facts_of
from stagecache.fingerprint.code.forms import form_of
from stagecache.fingerprint.code.installed import answers, is_question
from stagecache.fingerprint.code.living import SHARED
from stagecache.fingerprint.code.lookups import LOOKUPS, Namespace, looked_up
from stagecache.fingerprint.code.mentions import FACTS
from stagecache.fingerprint.code.nodes import Edge, foreign, passed_on
from stagecache.fingerprint.code.put import is_put, module_of, places_of
from stagecache.fingerprint.code.queries import (
    asks_for_tables,
    frames_of_queries,
    is_shared,
    variables_of_queries,
)
from stagecache.fingerprint.code.resolve import MODULE_FACTS, Scope, Slot, resolve, scope_of
from stagecache.fingerprint.code.zones import zone_for
from stagecache.fingerprint.looking import own_names
from stagecache.fingerprint.origin import is_user_class, is_user_module

if TYPE_CHECKING:
    from types import CodeType, FunctionType

    from stagecache.fingerprint.code.bytecode import Form
    from stagecache.fingerprint.code.mentions import Mention
    from stagecache.fingerprint.code.nodes import Builder, Node
    from stagecache.fingerprint.code.resolve import Found
    from stagecache.fingerprint.code.settings import InForce

_ENVIRONMENT = {"os.environ", "os.environ.get", "os.getenv"}
_COMMAND_LINE = {"sys.argv", "sys.orig_argv", "argparse.ArgumentParser"}
"""What gives the arguments of the program."""
_PLACES = {"__file__", "__path__", "__spec__", "__loader__", "__cached__"}
_LOCATORS = {
    "importlib.resources.files", "importlib.resources.path", "importlib.resources.open_text",
    "importlib.resources.open_binary", "importlib.resources.read_text",
    "importlib.resources.read_binary", "importlib.resources.contents", "pkgutil.get_data",
    "inspect.getfile", "inspect.getsourcefile",
}  # fmt: skip
"""Functions that find files by where a module lies."""
_SILENT = (MODULE_FACTS - _PLACES) | {"get_ipython"}
_AT_CLASS_CREATION = {"__init_subclass__", "__set_name__", "__prepare__"}
"""Methods that fill registries when classes are made, before any body runs."""


def build_function(graph: Builder, node: Node, *, with_defaults: bool) -> None:
    """Give the node of a function its edges: what it mentions, defaults, and what it wraps."""
    fn: FunctionType = node.obj
    code = fn.__code__  # once: for every audit hook that is an event
    form, scope = form_of(code), scope_of(fn, code)
    node.form = form
    node.data = (form.digest,)
    graph.told.update(form.told)
    _follow_all(graph, node, form, scope)
    for mention in variables_of_queries(code, scope.globals):
        _follow(graph, node, mention, form, scope)
    for mention in frames_of_queries(code, scope):
        _follow(graph, node, mention, form, scope)
    for slot, value in extensions(code):
        graph.seen.append((slot, value))
        node.edges.append(graph.edge(extension_code(value), slot.name))
    for slot, value in zone_for(code):
        graph.seen.append((slot, value))
        node.edges.append(graph.edge(value, "local time zone", slot))
    if fn.__name__ not in _AT_CLASS_CREATION:
        for fill in form.fills:
            if fill.slot.kind != "first":
                graph.note_fill(resolve(fill.slot, scope), fill.item, assigned=fill.assigned)
    if with_defaults:
        _add_defaults(graph, node, fn, code)
    wrapped = fn.__dict__.get("__wrapped__")
    if wrapped is not None:
        node.edges.append(graph.edge(wrapped, f"{fn.__qualname__}.__wrapped__"))


def _follow_all(graph: Builder, node: Node, form: Form, scope: Scope) -> None:
    """Add what the code mentions; what another function of the same module does is known."""
    edges = node.edges
    followed = graph.followed.setdefault((id(scope.globals), id(scope.builtins)), {})
    asking = {mention for mention, _ in form.asked} if form.asked else ()
    for mention in form.mentions:
        known = followed.get(mention)
        if known is not None and mention not in asking:
            edges += known
            continue
        start = len(edges)
        if mention.kind != "global":
            _follow(graph, node, mention, form, scope)
            continue
        if mention.name in _SILENT:
            edges.append(Edge("bound", mention.dotted, mention.dotted))
        elif mention.name in _PLACES:
            _add_place(graph, node, scope, mention.dotted)
        elif not _follow(graph, node, mention, form, scope):
            continue
        followed[mention] = edges[start:]


def _add_place(graph: Builder, node: Node, scope: Scope, label: str) -> None:
    """Add where code lies that asks for its place: another checkout has other files there."""
    slot = Slot(scope.globals, "__file__")
    file = slot.content()
    graph.seen.append((slot, file))
    place = os.path.abspath(file) if isinstance(file, str) else file
    node.edges.append(Edge("bound", label, label))
    node.edges.append(graph.edge(place, label))


def build_setting(graph: Builder, node: Node) -> None:
    """Give the node of a setting its edges: what its statement mentions, but for what it sets."""
    made: InForce = node.obj
    form = form_of(made.code)
    node.data = (form.digest,)
    scope = Scope(made.namespace, vars(builtins), {})
    for mention in form.mentions:
        if mention.kind == "global" and mention.name in _SILENT:
            continue
        found = resolve(mention, scope)
        graph.seen.extend(found.seen)
        value, slot, rest = found.value, found.slot, found.rest
        while rest and not isinstance(value, ModuleType | type) and rest[0] in own_names(value):
            slot, rest = Slot(own_names(value), rest[0]), rest[1:]  # one of somebody's arguments
            value = slot.content()
            graph.seen.append((slot, value))
        edge = graph.edge(value, mention.dotted, slot, rest)
        node.edges.append(edge)
        if edge.sort == "name" and str(edge.target) in _ENVIRONMENT:
            asked = [text for other, text in form.asked if other == mention]
            _add_environment(graph, node, str(edge.target), asked, scope)


def _follow(graph: Builder, node: Node, mention: Mention, form: Form, scope: Scope) -> bool:
    """Add what a mention leads to; tell whether it leads any code of the module to the same."""
    found = resolve(mention, scope)
    graph.seen.extend(found.seen)
    label = mention.dotted
    if mention.passing and issubclass(type(found.value), ModuleType):
        mine = is_user_module(found.value.__name__)
        bound = Edge("bound", "module", label)
        node.edges.append(bound if mine else foreign(found.value, label))
        return True
    graph.note_mutation(found)
    edge = graph.edge(found.value, label, found.slot, found.rest)
    if found.rest[:1] == ("__subclasses__",) and issubclass(type(found.value), type):
        _add_subclasses(graph, node, found.value)
    asked = [text for other, text in form.asked if other == mention] if form.asked else []
    if mention.passing and edge.sort == "name" and edge.target == "os.environ":
        node.edges.append(edge)
        return True
    is_alike = not asked
    if edge.sort == "node" and found.rest[:1] and found.rest[0] in FACTS:
        add_facts(graph, edge.target, frozenset(found.rest[:1]))
        is_alike = False
    node.edges.append(edge)
    if edge.sort in ("name", "package") and found.rest:
        _add_put(graph, node, mention, found)
    is_asked = edge.sort == "package" and is_shared(edge.target[2])
    if is_asked and asks_for_tables(node.obj.__code__, scope):
        node.edges.append(graph.edge(SHARED, "duckdb.default_connection()"))
    if edge.sort == "package" and found.rest:
        origin = passed_on(found.value, found.rest)
        if origin is not None:
            package = foreign(origin, label)
            if package.sort == "package" and package.target[0] != edge.target[0]:
                node.edges.append(package)
    if edge.sort != "name":
        return is_alike
    name = str(edge.target)
    if is_question(name):
        node.edges += answers(name, node.obj)
        is_alike = False
    if name in _LOCATORS:
        _add_place(graph, node, scope, name)
    elif name in _ENVIRONMENT:
        _add_environment(graph, node, name, asked, scope)
    elif name in _COMMAND_LINE:
        slot = Slot(vars(sys), "argv")
        graph.seen.append((slot, slot.content()))
        node.edges.append(graph.edge(slot.content(), "sys.argv", slot))
    elif name in LOOKUPS:
        _look_up(graph, node, name, asked, form, scope)
        is_alike = False
    elif name in INTROSPECTION:
        graph.told.update(INTROSPECTION[name])
    elif name == "dataclasses.fields":
        if "type" in form.told:
            graph.told.add("__annotations__")
        is_alike = False
    return is_alike


def _add_put(graph: Builder, node: Node, mention: Mention, found: Found) -> None:
    """Add what the user put onto a library's module or class, where the mention comes upon it."""
    for depth, (slot, value) in enumerate(places_of(found.value, found.rest)):
        graph.seen.append((slot, value))
        loaded = mention.kind != "import" and not depth
        if is_put(slot, value, module_of(slot), loaded=loaded):
            graph.put.setdefault(slot.key, found.slot)
            node.edges.append(Edge("bound", f"put: {mention.dotted}", mention.dotted, slot))
            node.edges.append(graph.edge(value, mention.dotted, slot))
            return


def add_facts(graph: Builder, node: Node, facts: frozenset[str] | set[str]) -> bool:
    """Let what a function or class says of itself count; tell whether that is anything new."""
    new = {fact for fact in facts if fact not in node.facts}
    node.facts.update(new)
    for fact, value in facts_of(node.obj, new):
        node.edges.append(Edge("bound", fact, fact))
        node.edges.append(graph.edge(value, f"{node.obj.__qualname__}.{fact}"))
    return bool(new)


def _add_environment(graph: Builder, node: Node, name: str, asked: list[str], scope: Scope) -> None:
    """Add the variables that ``os.environ`` is asked for; others are seen when they are read."""
    for text in asked:
        wanted = scope.globals.get(text[1:]) if text.startswith("$") else text
        if isinstance(wanted, str):
            value = graph.environment[wanted] = os.environ.get(wanted)
            node.edges.append(Edge("environment", (wanted, value), wanted))
    if not asked:
        graph.unresolved[name] = None


def _look_up(
    graph: Builder, node: Node, name: str, asked: list[str], form: Form, scope: Scope
) -> None:
    found = looked_up(name, asked, scope)
    for mention in found.mentions:
        _follow(graph, node, mention, form, scope)
    if found.is_whole:
        module = sys.modules.get(str(scope.globals.get("__name__")))
        if getattr(module, "__dict__", None) is not scope.globals:
            module = Namespace(scope.globals)  # type: ignore[assignment]
        node.edges.append(graph.whole_module(module, f"{name}()"))
    if not found.is_known:
        graph.unresolved[f"{name}()"] = None


def _add_subclasses(graph: Builder, node: Node, cls: type) -> None:
    """Take the classes that a registry by ``Base.__subclasses__()`` finds, at any depth."""
    graph.is_fleeting = True
    found: list[type] = type.__subclasses__(cls)
    for subclass in found:
        if is_user_class(subclass):
            node.edges.append(graph.edge(subclass, subclass.__qualname__))
            _add_subclasses(graph, node, subclass)


def _add_defaults(graph: Builder, node: Node, fn: FunctionType, code: CodeType) -> None:
    defaults, keywords = fn.__defaults__ or (), fn.__kwdefaults__ or {}
    if not (defaults or keywords):
        return
    names = code.co_varnames[code.co_argcount - len(defaults) : code.co_argcount]
    graph.seen.extend((Slot(keywords, name), value) for name, value in keywords.items())
    pairs: list[tuple[str, Any]] = [*zip(names, defaults, strict=True), *sorted(keywords.items())]
    for name, value in pairs:
        node.edges.append(Edge("bound", name, name))
        node.edges.append(graph.edge(value, f"{fn.__qualname__}({name}=)"))
