"""Random small programs: those that return something else never have the same fingerprint."""

import re
import types

from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from stagecache.fingerprint.code import fingerprint_code

HELPERS = """\
def A(): return "a"
def B(): return "b"
def H(): return (A(), K)
class C:
    K = 5
    def m(self): return A()
class D(C):
    def m(self): return B()
K = 7
L = 8
T = {"A": A, "B": B}
class M:
    pass
"""


def modules():
    made = {}
    for name, (f, g) in {"M": (1, 2), "N": (3, 4)}.items():
        module = made[name] = types.ModuleType(f"zq_{name}")
        exec(f"def f(): return {f}\ndef g(): return {g}\nK = {f}{g}", module.__dict__)
    return made


leaves = st.sampled_from([
    "A()", "B()", "H()", "M.f()", "N.f()", "M.g()", "N.K", "m.f()", "m.K", "x", "v0", "v1",
    "v2", "K", "L", "1", "2", "C().m()", "D().m()", "C.K", "T['A']()", "G",
])  # fmt: skip


def composed(inner):
    return st.one_of(
        st.builds("({}, {})".format, inner, inner),
        st.builds("({} if {} else {})".format, inner, inner, inner),
        st.builds("({} or {})".format, inner, inner),
        st.builds("({} and {})".format, inner, inner),
        st.builds("(lambda: {})()".format, inner),
        st.builds("(lambda v0: {})({})".format, inner, inner),
        st.builds("(lambda v0={}: {})()".format, inner, inner),
        st.builds("[{} for v1 in ({}, {})]".format, inner, inner, inner),
        st.builds("({} == {})".format, inner, inner),
        st.builds("f'{{{}}}'".format, st.sampled_from(["v0", "A()", "K", "M.K"])),
    )


expressions = st.recursive(leaves, composed, max_leaves=5)


def indented(lines):
    return ["    " + line for line in lines]


simple = st.one_of(
    st.builds("{} = {}".format, st.sampled_from(["v0", "v1", "v2", "G"]), expressions),
    st.builds("m = {}".format, st.sampled_from("MN")),
    st.builds("import zq_{0} as m".format, st.sampled_from("MN")),
    st.builds("from zq_{0} import {1} as v2; v2 = v2()".format, st.sampled_from("MN"),
              st.sampled_from("fg")),
    st.builds("del {}".format, st.sampled_from(["v0", "v1"])),
).map(lambda line: [line])  # fmt: skip


def blocks(inner):
    body = st.lists(inner, min_size=1, max_size=2).map(
        lambda parts: [line for part in parts for line in part]
    )
    return st.one_of(
        st.builds(lambda c, b: [f"if {c}:", *indented(b)], expressions, body),
        st.builds(
            lambda c, b, e: [f"if {c}:", *indented(b), "else:", *indented(e)],
            expressions, body, body,
        ),
        st.builds(lambda b: ["for v2 in (0, 1):", *indented(b)], body),
        st.builds(
            lambda b, e: ["try:", *indented(b), "except NameError:", *indented(e)], body, body
        ),
        st.builds(lambda b, e: ["try:", *indented(b), "finally:", *indented(e)], body, body),
        st.builds(
            lambda b, r, c: ["def w(v0):", *indented(b), f"    return {r}", f"v1 = w({c})"],
            body, expressions, expressions,
        ),
        st.builds(
            lambda b, c: ["def w():", "    nonlocal v0", *indented(b), "w()", f"v1 = {c}"],
            body, expressions,
        ),
        st.builds(
            lambda a, b: ["class w:", f"    a = {a}", f"    b = {b}", "v2 = (w.a, w.b)"],
            expressions, expressions,
        ),
    )  # fmt: skip


statements = st.recursive(simple, blocks, max_leaves=3)


@st.composite
def programs(draw):
    body = [line for part in draw(st.lists(statements, max_size=3)) for line in part]
    lines = ["def stage(x):", "    global G", "    v0 = v1 = v2 = 0", "    m = M"]
    return "\n".join([*lines, *indented(body), f"    return {draw(expressions)}"])


def loaded(source):
    namespace = {"__name__": "zq_program", "G": 0}
    exec(HELPERS, namespace)
    namespace.update(modules())
    exec(source, namespace)
    return namespace["stage"]


def outcome(stage):
    import sys

    made = {name: stage.__globals__[name] for name in "MN"}
    sys.modules.update({f"zq_{name}": module for name, module in made.items()})
    try:
        return repr(stage(5))
    except Exception as error:
        return type(error).__name__  # the message may name a local
    finally:
        for name in made:
            del sys.modules[f"zq_{name}"]


SWAPS = [["A", "B"], ["M", "N"], ["f", "g"], ["v0", "v1", "v2"], ["K", "L"], ["1", "2"],
         ["or", "and"], ["C", "D"]]  # fmt: skip
OTHERS = {word: [w for w in words if w != word] for words in SWAPS for word in words}
WORD = re.compile(r"\b(" + "|".join(OTHERS) + r")\b")


@st.composite
def swapped(draw):
    """A program and the same with one or two names or words exchanged for others of their kind."""
    one = other = draw(programs())
    for _ in range(draw(st.integers(1, 2))):
        places = list(WORD.finditer(other))
        places = [p for p in places if p.start() > other.index("v0 = v1 = v2 = 0") + 16]
        assume(places)
        place = draw(st.sampled_from(places))
        word = draw(st.sampled_from(OTHERS[place.group()]))
        other = other[: place.start()] + word + other[place.end() :]
    return one, other


def stage(*lines):
    return "\n".join(["def stage(x):", *indented(lines)])


relaxed = settings(
    max_examples=120, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)


@relaxed
@given(swapped())
@example((stage("A(); B()", "return (lambda: A())()"), stage("A(); B()", "return (lambda: B())()")))
@example(
    (stage("m = M", "return m.f(), M.f(), N.f()"), stage("m = N", "return m.f(), M.f(), N.f()"))
)
@example(
    (
        stage("v0, v1 = 1, 2", "def w(): return (lambda: v0)(), v1", "return w(), v0, v1"),
        stage("v0, v1 = 1, 2", "def w(): return (lambda: v1)(), v0", "return w(), v0, v1"),
    )
)
@example(
    (
        stage("global G, E", "G = 1; E = 2", "return G"),
        stage("global G, E", "G = 1; E = 2", "return E"),
    )
)
@example(
    (
        stage("v0 = 1", "def w(v1):", "    v0, v1", "    return (lambda: v0)()", "return w(2)"),
        stage("v0 = 1", "def w(v1):", "    v0, v1", "    return (lambda: v1)()", "return w(2)"),
    )
)
@example((stage("class w: K = K", "return w.K"), stage("class w: K = L", "return w.K")))
def test_programs_that_return_something_else_have_another_fingerprint(pair):
    try:
        one, other = map(loaded, pair)
    except SyntaxError:
        assume(False)
    before = fingerprint_code(one), fingerprint_code(other)
    if outcome(one) != outcome(other):
        assert before[0] != before[1], "\n".join(pair)


@relaxed
@given(programs())
def test_a_program_that_is_renamed_throughout_keeps_its_fingerprint(source):
    try:
        one = loaded(source)
    except SyntaxError:
        assume(False)
    names = {"v0": "z1", "v1": "y2", "v2": "x3", "m": "a9", "w": "b8"}
    # Names of arguments and of classes count.
    assume(not re.search(r"lambda v0|def w\(v0\)|class w", source))
    renamed = re.sub(r"(?<!\.)\b(v0|v1|v2|m|w)\b", lambda found: names[found.group()], source)
    assert fingerprint_code(one) == fingerprint_code(loaded(renamed)), renamed


@relaxed
@given(programs())
def test_running_a_program_leaves_its_fingerprint(source):
    try:
        one = loaded(source)
    except SyntaxError:
        assume(False)
    before = fingerprint_code(one)
    outcome(one)
    assert fingerprint_code(one) == before
