"""Decides how what a code fingerprint is made of is told to a person.

Source text is found as well as it can be; it is never part of a fingerprint.
"""

from __future__ import annotations

import sys
from types import FunctionType
from typing import TYPE_CHECKING, Any

from xxhash import xxh3_128_digest

from stagecache.fingerprint.code.bytecode import normal_form
from stagecache.fingerprint.code.items import AS_BEFORE, AS_FOUND
from stagecache.fingerprint.code.living import IN_MEMORY, worded
from stagecache.model import CodeManifest, CodePart, Digest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType

    from stagecache.fingerprint.code.nodes import Edge, Node
    from stagecache.fingerprint.code.reach import Graph

_LONGEST = 200


def manifest_of(graph: Graph, digest: Digest) -> CodeManifest:
    """Write down the parts of a graph, those first that are reached first."""
    parts: dict[str, CodePart] = {}
    uncounted: dict[str, None] = {}
    unresolved = dict(graph.unresolved)
    names: dict[int, str] = {}
    home = _home(graph)
    for node in _in_order(graph, uncounted):
        if node.sort in ("function", "class", "module"):
            name = names[id(node)] = _free_name(_name(node, home), parts)
            kind: Any = "function" if node.sort == "function" else "class"
            parts[name] = CodePart(name, kind, _own_digest(node), _source(node.obj))
        elif node.sort == "setting":
            name = _free_name(f"setting of {node.label}", parts)
            parts[name] = CodePart(name, "value", _own_digest(node), node.obj.text)
        for edge in node.edges:
            if graph.is_counted(edge):
                if edge.sort == "missing":
                    unresolved[edge.label] = None
                for part in _parts(graph, edge):
                    name = part.name
                    if name in parts and parts[name].digest != part.digest:
                        name = _free_name(name, parts)
                    parts.setdefault(name, part._replace(name=name))
    version = "{}.{}".format(*sys.version_info)
    parts["python"] = CodePart("python", "version", _of(version), version)
    return CodeManifest(digest, tuple(parts.values()), tuple(unresolved), tuple(uncounted))


def _in_order(graph: Graph, uncounted: dict[str, None]) -> Iterator[Node]:
    """Yield the nodes that count, and note what does not count on the way."""
    seen: set[int] = set()
    work = [*reversed(graph.settings), *reversed(graph.roots)]
    while work:
        edge = work.pop()
        label = edge.label.removesuffix("".join(f".{name}" for name in edge.rest))
        if not graph.is_counted(edge):
            uncounted[label] = None
            node = graph.nodes.get(id(type(edge.target)))
            if node is None or edge.sort != "value" or graph.is_assigned(edge):
                continue
        elif edge.sort == "value":
            value = graph.values[id(edge.target)]
            shown = "{}[{!r}]" if type(edge.target) is dict else "{}.{}"
            for part in sorted(value.parts - {AS_BEFORE, AS_FOUND}):
                of_it = "{} {}" if part == IN_MEMORY else shown
                uncounted[of_it.format(label, part)] = None
            work.extend(reversed(value.edges))
            continue
        elif edge.sort == "node":
            node = edge.target
        else:
            continue
        if id(node) not in seen:
            seen.add(id(node))
            yield node
            work.extend(reversed(node.edges))


def _parts(graph: Graph, edge: Edge) -> Iterator[CodePart]:
    if edge.sort == "value":
        digest = Digest(graph.values[id(edge.target)].digest)
        yield CodePart(edge.label, "value", digest, _short(worded(edge.target)))
    elif edge.sort == "package":
        name, version, _ = edge.target
        yield CodePart(name, "package", _of(version), version)
    elif edge.sort == "environment":
        name, text = edge.target
        shown = "not set" if text is None else text
        yield CodePart(name, "environment", _of(repr(text)), shown)
    elif edge.sort == "name" and str(edge.target).startswith("stable "):
        yield CodePart(edge.label, "version", _of(edge.target), edge.target)


def _name(node: Node, home: str) -> str:
    obj = node.obj
    if node.sort == "module":
        return str(obj.__name__)
    qualname = obj.__qualname__.replace("<locals>.", "")
    module = obj.__globals__.get("__name__") if node.sort == "function" else obj.__module__
    return qualname if module == home or not module else f"{module}.{qualname}"


def _home(graph: Graph) -> str:
    for edge in graph.roots:
        if edge.sort == "node":
            return str(getattr(edge.target.obj, "__module__", ""))
    return ""


def _free_name(name: str, taken: dict[str, CodePart]) -> str:
    count = 2
    wanted = name
    while wanted in taken:
        wanted = f"{name} ({count})"
        count += 1
    return wanted


def _own_digest(node: Node) -> Digest:
    """Digest what is the node's own; what it reaches has a part of its own."""
    shape = [(edge.sort, edge.target if edge.sort == "bound" else "") for edge in node.edges]
    return _of(ascii((node.sort, node.data, shape)))


def _of(text: str) -> Digest:
    return Digest(xxh3_128_digest(text.encode("utf-8", "surrogatepass")))


def _source(obj: Any) -> str:
    """Return the text of a function or class, or nothing if it is not the text that runs.

    A module that was edited after it was imported still runs its old code.
    """
    import inspect

    try:
        text = inspect.getsource(obj)
    except Exception:  # noqa: BLE001 - no text, or an object that answers in its own way
        return ""
    code = obj.__code__ if isinstance(obj, FunctionType) else None
    return text if code is None or code.co_freevars or _is_text_of(text, code) else ""


def _is_text_of(text: str, code: CodeType) -> bool:
    import textwrap

    try:
        work = [compile(textwrap.dedent(text), "<text>", "exec", dont_inherit=True)]
    except (SyntaxError, ValueError):  # a lambda in the middle of a statement
        return True
    wanted = normal_form(code).digest
    while work:
        for constant in work.pop().co_consts:
            if isinstance(constant, type(code)):
                if constant.co_name == code.co_name and normal_form(constant).digest == wanted:
                    return True
                work.append(constant)
    return False


def _short(value: Any) -> str:
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - a user's repr may raise anything
        text = f"<{type(value).__qualname__}>"
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
