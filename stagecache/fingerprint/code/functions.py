"""Decides what counts of a function of the user's: what its code mentions, and its defaults."""

from __future__ import annotations

import builtins
import functools
import os
import sys
from types import ModuleType
from typing import TYPE_CHECKING

from stagecache.fingerprint.code.annotated import OF_CLASSES, is_read_by, named_in
from stagecache.fingerprint.code.classes import only_writes
from stagecache.fingerprint.code.extensions import extension_code, extensions, names_in
from stagecache.fingerprint.code.facts import INTROSPECTION, facts_of, is_generated
from stagecache.fingerprint.code.foreign import is_container
from stagecache.fingerprint.code.forms import form_of
from stagecache.fingerprint.code.given import by_name
from stagecache.fingerprint.code.installed import answers, is_question
from stagecache.fingerprint.code.living import SHARED
from stagecache.fingerprint.code.lookups import LOOKUPS, Namespace, looked_up
from stagecache.fingerprint.code.mentions import BELOW, FACTS
from stagecache.fingerprint.code.nodes import Edge, Followed, foreign, passed_on
from stagecache.fingerprint.code.put import is_put, module_of, places_of
from stagecache.fingerprint.code.queries import (
    asks_for_tables,
    frames_of_queries,
    is_shared,
    variables_of_queries,
)
from stagecache.fingerprint.code.resolve import (
    MODULE_FACTS,
    Found,
    Scope,
    Slot,
    resolve,
    scope_of,
)
from stagecache.fingerprint.code.zones import zone_for
from stagecache.fingerprint.looking import own_names
from stagecache.fingerprint.origin import is_user_class, is_user_module

if TYPE_CHECKING:
    from types import CodeType, FunctionType

    from stagecache.fingerprint.code.bytecode import Form
    from stagecache.fingerprint.code.fills import Fill
    from stagecache.fingerprint.code.mentions import Mention
    from stagecache.fingerprint.code.nodes import Builder, Node
    from stagecache.fingerprint.code.settings import InForce

_ENVIRONMENT = {"os.environ", "os.environ.get", "os.getenv"}
_FIELDS = "dataclasses.fields"
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
_SILENT = (MODULE_FACTS - _PLACES - {"__doc__"}) | {"get_ipython"}
_AT_CLASS_CREATION = {"__init_subclass__", "__set_name__", "__prepare__"}
"""Methods that fill registries when classes are made, before any body runs."""


def build_function(graph: Builder, node: Node, *, with_defaults: bool) -> None:
    """Give the node of a function its edges: what it mentions, defaults, and what it wraps."""
    fn: FunctionType = node.obj
    code = fn.__code__  # once: for every audit hook that is an event
    form, scope = form_of(code), scope_of(fn, code)
    node.form = form
    node.data = (form.digest,)
    if not is_generated(fn):
        graph.told.update(form.told)
    for mention in form.mentions:
        _follow(graph, node, mention, form, scope)
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
    graph.note_names(names_in(code))
    method = graph.methods.get(id(fn), "")
    for fill in form.fills if fn.__name__ not in _AT_CLASS_CREATION else ():
        if fill.slot.kind not in ("first", "parameter"):
            by = method if only_writes(form, code, fill.slot.dotted.rpartition(".")[2]) else ""
            graph.note_if_called(by, functools.partial(_note_fill, graph, fill, scope))
    if with_defaults:
        _add_defaults(graph, node, fn, code, form)
    wrapped = fn.__dict__.get("__wrapped__")
    if wrapped is not None:
        node.edges.append(graph.edge(wrapped, f"{fn.__qualname__}.__wrapped__"))


def _note_fill(graph: Builder, fill: Fill, scope: Scope) -> None:
    graph.note_fill(resolve(fill.slot, scope), fill)


def _add_place(graph: Builder, edges: list[Edge], scope: Scope, label: str) -> None:
    """Add where code lies that asks for its place: another checkout has other files there."""
    slot = Slot(scope.globals, "__file__")
    file = slot.content()
    graph.seen.append((slot, file))
    place = os.path.abspath(file) if isinstance(file, str) else file
    edges.append(Edge("bound", label, label))
    edges.append(graph.edge(place, label))


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


def _follow(graph: Builder, node: Node, mention: Mention, form: Form, scope: Scope) -> None:
    """Add what a mention leads to; another function of the same module may have come there."""
    if mention.kind == "global":
        known = graph.followed.setdefault((id(scope.globals), id(scope.builtins)), {})
        followed = known.get(mention)
        if followed is None:
            followed = known[mention] = _followed(graph, mention, scope)
    else:
        followed = _followed(graph, mention, scope)
    node.edges += followed.edges
    if followed.asked is not None:
        _ask(graph, node, mention, followed.asked, form, scope)


def _followed(graph: Builder, mention: Mention, scope: Scope) -> Followed:
    """Return what a mention leads to, whichever code of a module it is in."""
    label = mention.dotted
    edges: list[Edge] = []
    if mention.kind == "global" and mention.name in _SILENT:
        return Followed([Edge("bound", label, label)])
    if mention.kind == "global" and mention.name in _PLACES:
        _add_place(graph, edges, scope, label)
        return Followed(edges)
    found = resolve(mention, scope)
    graph.seen.extend(found.seen)
    if mention.passing and issubclass(type(found.value), ModuleType):
        mine = is_user_module(found.value.__name__)
        return Followed([Edge("bound", "module", label) if mine else foreign(found.value, label)])
    graph.note_mutation(found)
    edge = graph.edge(found.value, label, found.slot, found.rest)
    if found.rest[:1] == ("__subclasses__",) and issubclass(type(found.value), type):
        _add_subclasses(graph, edges, found.value)
    edges.append(edge)
    if is_read_by(edge):
        graph.told.add(OF_CLASSES)
    name = str(edge.target) if edge.sort == "name" else ""
    if mention.passing and name == "os.environ":
        return Followed(edges)
    if edge.sort == "node" and found.rest[:1] and found.rest[0] in FACTS:
        add_facts(graph, edge.target, frozenset(found.rest[:1]))
    if edge.sort in ("name", "package") and found.rest:
        _add_put(graph, edges, mention, found)
    if edge.sort == "package" and found.rest:
        origin = passed_on(found.value, found.rest)
        if origin is not None:
            package = foreign(origin, label)
            if package.sort == "package" and package.target[0] != edge.target[0]:
                edges.append(package)
    if name in _LOCATORS:
        _add_place(graph, edges, scope, name)
    elif name in _COMMAND_LINE:
        slot = Slot(vars(sys), "argv")
        graph.seen.append((slot, slot.content()))
        edges.append(graph.edge(slot.content(), "sys.argv", slot))
    elif name in INTROSPECTION:
        graph.told.update(INTROSPECTION[name])
    is_answering = name in _ENVIRONMENT or name in LOOKUPS or name == _FIELDS or is_question(name)
    is_database = edge.sort == "package" and is_shared(edge.target[2])
    return Followed(edges, edge if is_answering or is_database else None)


def _ask(
    graph: Builder, node: Node, mention: Mention, asked: Edge, form: Form, scope: Scope
) -> None:
    """Add what follows from what this code asks of what it mentions, and from nothing else."""
    if asked.sort == "package":
        if asks_for_tables(node.obj.__code__, scope):
            node.edges.append(graph.edge(SHARED, "duckdb.default_connection()"))
        return
    name = str(asked.target)
    if is_question(name):
        node.edges += answers(name, node.obj)
    texts = [text for other, text in form.asked if other == mention]
    if name in _ENVIRONMENT:
        _add_environment(graph, node, name, texts, scope)
    elif name in LOOKUPS:
        _look_up(graph, node, name, texts, form, scope)
    elif name == _FIELDS and "type" in form.told:
        graph.told.add("__annotations__")


def _add_put(graph: Builder, edges: list[Edge], mention: Mention, found: Found) -> None:
    """Add what the user put onto a library's module or class, where the mention comes upon it."""
    for depth, (slot, value) in enumerate(places_of(found.value, found.rest)):
        graph.seen.append((slot, value))
        loaded = mention.kind != "import" and not depth
        if is_put(slot, value, module_of(slot), loaded=loaded):
            graph.put.setdefault(slot.key, found.slot)
            edges.append(Edge("bound", f"put: {mention.dotted}", mention.dotted, slot))
            edges.append(graph.edge(value, mention.dotted, slot))
            return


def add_facts(graph: Builder, node: Node, facts: frozenset[str] | set[str]) -> bool:
    """Let what a function or class says of itself count; tell whether that is anything new."""
    new = {fact for fact in facts if fact not in node.facts}
    node.facts.update(new)
    if BELOW in new and node.sort == "class":
        _add_subclasses(graph, node.edges, node.obj)
    for fact, value in facts_of(node.obj, new):
        node.edges.append(Edge("bound", fact, fact))
        node.edges.append(graph.edge(value, f"{node.obj.__qualname__}.{fact}"))
        if fact.startswith("__annotations__"):
            node.edges += named_in(graph, node.obj, value)
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


def _add_subclasses(graph: Builder, edges: list[Edge], cls: type) -> None:
    """Take the classes that a registry by ``Base.__subclasses__()`` finds, at any depth."""
    graph.is_fleeting = True
    found: list[type] = type.__subclasses__(cls)
    for subclass in found:
        if is_user_class(subclass):
            edges.append(graph.edge(subclass, subclass.__qualname__))
            _add_subclasses(graph, edges, subclass)


def _add_defaults(graph: Builder, node: Node, fn: FunctionType, code: CodeType, form: Form) -> None:
    defaults, keywords = fn.__defaults__ or (), fn.__kwdefaults__ or {}
    if not (defaults or keywords):
        return
    graph.seen.extend((Slot(keywords, name), value) for name, value in keywords.items())
    fills = {fill.slot.name: fill for fill in form.fills if fill.slot.kind == "parameter"}
    held = by_name(code, defaults, keywords)
    for name, value in held.items():
        slot = None
        if name in fills and is_container(value):  # a memo
            slot = Slot(keywords if name in keywords else held, name)
            graph.seen.append((slot, value))
            graph.note_fill(Found(value, slot, (), ()), fills[name])
        node.edges.append(Edge("bound", name, name))
        node.edges.append(graph.edge(value, f"{fn.__qualname__}({name}=)", slot))
