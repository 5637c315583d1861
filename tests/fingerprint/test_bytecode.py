"""Over the standard library: what means the same is the same, what does not is not."""

import ast
import copy
import importlib.util
import marshal
import sys
import types
import warnings

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stagecache.fingerprint.code.bytecode import normal_form
from stagecache.fingerprint.code.forms import form_of, packed, unpacked
from stagecache.model import memo

MODULES = [
    "argparse", "asyncio.tasks", "bisect", "calendar", "configparser", "contextlib",
    "dataclasses", "enum", "functools", "http.client", "inspect", "json.decoder", "pdb",
    "random", "selectors", "shlex", "signal", "smtplib", "statistics", "tempfile", "textwrap",
    "typing", "zipfile",
]  # fmt: skip


def source_of(name):
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.origin or not spec.origin.endswith(".py"):
        pytest.skip(f"{name} has no source here")
    with open(spec.origin, encoding="utf-8") as stream:
        return stream.read()


def compiled(tree_or_text, name="somewhere.py"):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return compile(tree_or_text, name, "exec", dont_inherit=True)


def codes(code, path=""):
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield f"{path}.{constant.co_name}", constant
            yield from codes(constant, f"{path}.{constant.co_name}")


def functions(tree):
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node


def form(source, name="f"):
    """The normal form of the function `name` that `source` defines at its top level."""
    return normal_form(next(c for p, c in codes(compiled(source)) if p == f".{name}"))


@pytest.mark.parametrize("name", MODULES)
def test_layout_comments_and_annotations_do_not_matter(name):
    text = source_of(name)
    tree = ast.parse(text)
    here = list(codes(compiled(text)))
    for node in functions(tree):
        if name == "typing":  # there they name type parameters, which makes them closures
            continue
        node.returns = None
        for argument in ast.walk(node.args):
            if isinstance(argument, ast.arg):
                argument.annotation = None
    there = list(codes(compiled(ast.unparse(tree), "other.py")))
    assert [path for path, _ in here] == [path for path, _ in there]
    differing = [
        path
        for (path, one), (_, other) in zip(here, there, strict=True)
        if normal_form(one) != normal_form(other)
    ]
    assert differing == []


@pytest.mark.parametrize("name", MODULES[::3])
def test_what_is_compiled_beside_a_function_does_not_matter(name):
    text = source_of(name)
    whole = {(c.co_name, c.co_firstlineno): c for _, c in codes(compiled(text))}
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef) and (node.name, node.lineno) in whole:
            alone = compiled("\n" * 7 + ast.get_source_segment(text, node), "<ipython-input-1>")
            code = next(c for _, c in codes(alone) if c.co_name == node.name)
            assert normal_form(code) == normal_form(whole[node.name, node.lineno]), node.name


class RenameLocals(ast.NodeTransformer):
    """Gives every local that is plainly assigned a name that sorts the other way round."""

    def __init__(self, function):
        arguments = {a.arg for a in ast.walk(function.args) if isinstance(a, ast.arg)}
        bound = {n.id for n in ast.walk(function) if isinstance(n, ast.Name) and n.ctx != ast.Load}
        stored = {
            n.id
            for n in ast.walk(function)
            if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
        }
        names = sorted(stored & bound - arguments)
        self.names = {n: f"zq{len(names) - k:04}_{n}" for k, n in enumerate(names)}

    def visit_Name(self, node):
        node.id = self.names.get(node.id, node.id)
        return node


OTHER_BINDINGS = (
    ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda, ast.Global, ast.Nonlocal,
    ast.Import, ast.ImportFrom, ast.ExceptHandler, ast.MatchAs, ast.MatchStar, ast.MatchMapping,
)  # fmt: skip


@pytest.mark.parametrize("name", MODULES[::2])
def test_names_of_locals_do_not_matter(name):
    tried = 0
    for node in functions(ast.parse(source_of(name))):
        inner = [n for n in ast.walk(node) if n is not node]
        if any(isinstance(n, OTHER_BINDINGS) or getattr(n, "type_params", None) for n in inner):
            continue
        node.type_params = []
        node.decorator_list = []
        renamed = RenameLocals(copy.deepcopy(node)).visit(copy.deepcopy(node))
        one, other = (form(ast.Module([n], []), node.name) for n in (node, renamed))
        assert one == other, node.name
        tried += 1
    assert tried


class Mutation(ast.NodeTransformer):
    """Changes the meaning of the nth constant, operator or attribute."""

    def __init__(self, index):
        self.left = index

    def _is_it(self):
        self.left -= 1
        return self.left == -1

    def visit_Constant(self, node):
        if isinstance(node.value, (bool, int, float, str, bytes)) and self._is_it():
            node.value = {bool: 7, int: 10**6, float: 0.123, str: "zq", bytes: b"zq"}[
                type(node.value)
            ]
        return node

    def visit_BinOp(self, node):
        self.generic_visit(node)
        if self._is_it():
            node.op = ast.Sub() if isinstance(node.op, ast.Add) else ast.Add()
        return node

    def visit_Compare(self, node):
        self.generic_visit(node)
        if self._is_it():
            node.ops[0] = ast.Gt() if isinstance(node.ops[0], ast.Lt) else ast.Lt()
        return node

    def visit_BoolOp(self, node):
        self.generic_visit(node)
        if self._is_it():
            node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        return node

    def visit_Attribute(self, node):
        self.generic_visit(node)
        if self._is_it():
            node.attr = "zq_attribute"
        return node

    def visit_JoinedStr(self, node):
        return node

    def visit_FunctionDef(self, node):
        node.body = [self.visit(n) for n in node.body]  # neither annotations nor decorators
        return node

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_AnnAssign(self, node):
        return node

    def visit_While(self, node):
        if isinstance(node.test, ast.Constant):  # ``while 7`` is ``while True``
            node.body = [self.visit(n) for n in node.body]
            return node
        return self.generic_visit(node)

    def visit_If(self, node):  # code that is never compiled
        return node if ast.unparse(node.test).startswith("0") else self.generic_visit(node)

    def visit_Expr(self, node):  # docstrings and other values that nobody takes
        return node if isinstance(node.value, ast.Constant) else self.generic_visit(node)


@settings(max_examples=80, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(name=st.sampled_from(MODULES), which=st.integers(0, 10**6), index=st.integers(0, 40))
def test_a_changed_constant_operator_or_attribute_matters(name, which, index):
    candidates = list(functions(ast.parse(source_of(name))))
    if not candidates:
        return
    node = candidates[which % len(candidates)]
    node.decorator_list = []
    mutation = Mutation(index)
    changed = ast.fix_missing_locations(mutation.visit(copy.deepcopy(node)))
    if mutation.left >= 0 or ast.unparse(changed) == ast.unparse(node):
        return
    try:
        one, other = (form(ast.Module([n], []), node.name) for n in (node, changed))
    except SyntaxError:
        return
    if compiled_alike(node, changed):
        return
    assert (one.digest, one.mentions) != (other.digest, other.mentions), ast.unparse(changed)


def compiled_alike(one, other):
    """Tell whether the compiler itself sees no difference, as in ``if 0:``."""

    def bare(code):
        constants = [bare(c) if isinstance(c, types.CodeType) else repr(c) for c in code.co_consts]
        return code.co_code, constants, code.co_names

    first, second = (compiled(ast.Module([n], [])) for n in (one, other))
    return bare(first) == bare(second)


DIFFERENT = [
    "def f(x): return 1",
    "def f(x): return 1.0",
    "def f(x): return True",
    "def f(x): return '1'",
    "def f(x): return b'1'",
    "def f(x): return (1,)",
    "def f(x): return [1]",
    "def f(x): return 0.0",
    "def f(x): return -0.0",
    "def f(x): return 1e999",
    "def f(x): return ...",
    "def f(x): return None",
    "def f(x): return 'Ellipsis'",
    "def f(x): return x in {1, 2}",
    "def f(x): return x in (1, 2)",
    "def f(x): return x in {1, True}",
    "def f(y): return 1",
    "def f(x, /): return 1",
    "def f(*, x): return 1",
    "def f(*x): return 1",
    "def f(**x): return 1",
    "def f(x): yield 1",
    "async def f(x): return 1",
    "async def f(x): yield 1",
    "def f(x): return x.a",
    "def f(x): return x.b",
    "def f(x): return x.a()",
    "def f(x): return x[0]",
    "def f(x): return x[1]",
    "def f(x): return a if x else b",
    "def f(x): return b if x else b",
    "def f(x): return x and a(b)",
    "def f(x): return x or a(b)",
    "def f(x): return not x",
    "def f(x):\n while x: x = a(x)",
    "def f(x):\n while not x: x = a(x)",
    "def f(x):\n if x: x = a(x)",
    "def f(x):\n if x is None: x = a(x)",
    "def f(x):\n if x is not None: x = a(x)",
    "def f(x):\n try: a()\n except b: pass",
    "def f(x):\n try: a(); b()\n except b: pass",
    "def f(x):\n try: a()\n except b: raise",
    "def f(x):\n try: a()\n finally: b()",
    "def f(x):\n with a: b()",
    "def f(x):\n with a: pass\n b()",
    "def f(x):\n for i in x: break",
    "def f(x):\n for i in x: continue",
    "def f(x):\n y = a; z = b; return y - z",
    "def f(x):\n y = a; z = b; return z - y",
    "def f(x):\n y = a; z = a; return y - z",
    "def f(x): return lambda: x",
    "def f(x): return lambda x: x",
    "def f(x): return lambda: 1",
    "def f(x):\n y = z = a\n return lambda: y",
    "def f(x):\n y, z = a\n return lambda: y - z",
    "def f(x):\n z, y = a\n return lambda: y - z",
    "def f(x): return [i for i in x]",
    "def f(x): return {i for i in x}",
    "def f(x): return (i for i in x)",
    "def f(x): return f'{x}'",
    "def f(x): return f'{x!r}'",
    "def f(x): return f'{x:3}'",
    "def f(x): return a(b=x)",
    "def f(x): return a(c=x)",
    "def f(x): return a(*x)",
    "def f(x): return a(**x)",
    "def f(x):\n class C: y = 1",
    "def f(x):\n class C: y = 2",
    "def f(x):\n global a\n a = x",
    "def f(x):\n a = x",
    "def f(x):\n while True: pass",
    "def f(x):\n match x:\n  case {'k': v}: return v",
    "def f(x):\n match x:\n  case {'j': v}: return v",
    "def f(x): return super().f()",
    "def f(x): import a.b",
    "def f(x): import a.c",
    "def f(x): from a import b",
    "def f(x): from .a import b",
    f"def f(x): return {'9' * 4000}",
]


def test_what_means_something_else_is_something_else():
    forms = [form(source)[:2] for source in DIFFERENT]
    assert len(set(forms)) == len(DIFFERENT)


ALIKE = [
    ("def f(x):\n a = 1; b = 2\n return a, b", "def f(x):\n b = 1; a = 2\n return b, a"),
    ("def f(x):\n 'Doc.'\n return x", "def f(x): return x"),
    ("def f(x):\n '''Doc.'''\n return 'Doc.'", "def f(x): return 'Doc.'"),
    ("def f(x): return one(x)", "def f(x): return other(x)"),
    ("def f(x): return m.one(x)", "def f(x): return n.other(x)"),
    ("def f(x: int = 3) -> str: return x", "def f(x=4): return x"),
    ("import m\ndef f(x): return m.g(x)", "def f(x): return m.g(x)"),
    ("import m\ndef f(x): return m.g.h(x)", "def f(x): return m.g.h(x)"),
    ("from __future__ import annotations\ndef f(x): return x", "def f(x): return x"),
    (
        "def f(x):\n def g(a: int, *, b: str = 'k') -> x: return a + x\n return g",
        "def f(x):\n def g(a, *, b='k'): return a + x\n return g",
    ),
    (
        "def f(x):\n a = 1; b = 2\n return lambda: (a, b)",
        "def f(x):\n b = 1; a = 2\n return lambda: (b, a)",
    ),
    (
        "def f(x):\n def g(): return b(a)\n a = 1; b = 2\n return g",
        "def f(x):\n def h(): return a(b)\n b = 1; a = 2\n return h",
    ),
    ("def f(x):\n class C:\n  'Doc.'\n  a = 1", "def f(x):\n class C: a = 1"),
    ("def f(x): return (x\n  and a\n\n  or b)", "def f(x): return (x and a or b)"),
    ("def f(x): return {'a', 'b', 'c'} >= x", "def f(x): return {'a', 'b', 'c'} >= x"),
    ("def f(x): return [y for y in x if y]", "def f(x): return [z for z in x if z]"),
    ("def f(x):\n y: int = x\n return y", "def f(x):\n y = x\n return y"),
]


@pytest.mark.parametrize(("one", "other"), ALIKE)
def test_what_means_the_same_is_the_same(one, other):
    assert form(one).digest == form(other).digest


def test_the_attributes_of_a_closure_of_locals_count():
    source = "def f(x):\n y = x()\n return lambda: y.{}"
    assert form(source.format("a")).digest != form(source.format("b")).digest


def test_running_code_has_the_form_of_code_that_never_ran():
    def work(n):
        total = 0
        for k in range(n):
            total += [k, 1][0] + len(str(k)) + abs(k)
        return total

    before = normal_form(work.__code__)
    for _ in range(100):
        work(20)
    assert normal_form(work.__code__) == before


@pytest.mark.skipif(sys.version_info < (3, 12), reason="sys.monitoring is new in 3.12")
def test_watched_code_has_the_form_of_code_that_is_not():
    def work(n):
        return [k + 1 for k in range(n) if k]

    before = normal_form(work.__code__)
    watch = sys.monitoring
    watch.use_tool_id(3, "stagecache test")
    try:
        watch.set_events(3, watch.events.LINE | watch.events.CALL | watch.events.PY_RETURN)
        work(9)
        assert normal_form(work.__code__) == before
    finally:
        watch.set_events(3, 0)
        watch.free_tool_id(3)


class Remembering:
    def __init__(self):
        self.kept = {}
        self.asked = 0

    def recall(self, kind, key):
        self.asked += 1
        return self.kept.get((kind, key))

    def remember(self, kind, key, value):
        self.kept[kind, key] = value


def test_a_form_is_worked_out_once_and_then_recalled(monkeypatch):
    from stagecache.fingerprint.code import forms

    source = "def f(x):\n    y = 98761\n    return x + y + LIMIT"
    code = next(c for p, c in codes(compiled(source)) if p == ".f")
    again = next(c for p, c in codes(compiled(source)) if p == ".f")
    remembering = Remembering()
    token = memo.set(remembering)
    try:
        first = form_of(code)
        assert len(remembering.kept) == 1
        monkeypatch.setattr(forms, "_known", {})
        monkeypatch.setattr(forms, "normal_form", None)
        assert form_of(again) == first
    finally:
        memo.reset(token)


def test_a_damaged_memory_is_worked_out_anew(monkeypatch):
    from stagecache.fingerprint.code import forms

    class Damaged(Remembering):
        def recall(self, kind, key):
            return b"\xff" * 40

    code = (lambda x: x + 98762).__code__
    token = memo.set(Damaged())
    try:
        assert form_of(code) == normal_form(code)
    finally:
        memo.reset(token)
    monkeypatch.setattr(forms, "_known", {})


@pytest.mark.parametrize("name", MODULES[::5])
def test_a_form_survives_being_written_down(name):
    for _, code in codes(compiled(source_of(name))):
        written = packed(normal_form(code))
        assert unpacked(written) == normal_form(code)


@given(st.binary(max_size=60))
def test_no_written_form_makes_a_reader_fail(written):
    found = unpacked(written)
    assert found is None or found.digest == written[:16]


def test_the_raw_form_does_not_depend_on_who_holds_its_constants():
    source = "def f(x):\n    return 'some words', 12345, (1, 'two')"
    first = next(c for p, c in codes(compiled(source)) if p == ".f")
    held = [*first.co_consts, *first.co_names] * 3
    second = next(c for p, c in codes(compiled(source)) if p == ".f")
    assert marshal.dumps(first, 2) == marshal.dumps(second, 2)
    assert held
