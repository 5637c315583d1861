"""What is noticed within one process, at every call."""

import collections
import enum
import functools
import sys
import threading
import types
import typing

import pytest

from stagecache.fingerprint.code import describe_code, fingerprint_code


def module(name="zq_module", **names):
    """Make a module that is the user's."""
    made = types.ModuleType(name)
    sys.modules[name] = made
    made.__dict__.update(names)
    return made


def define(source, **names):
    """Run `source` as a user's module and return its namespace."""
    namespace = {"__name__": "zq_user", "__builtins__": __builtins__, **names}
    exec(compile(source, "zq_user.py", "exec"), namespace)
    return namespace


@pytest.fixture(autouse=True)
def _no_modules_left():
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith("zq_"):
            del sys.modules[name]


def changes(fn, act):
    before = fingerprint_code(fn)
    assert fingerprint_code(fn) == before
    act()
    after = fingerprint_code(fn)
    assert fingerprint_code(fn) == after
    return before != after


def test_an_implementation_that_is_registered_later_is_noticed():
    user = define(
        "from functools import singledispatch\n"
        "@singledispatch\ndef show(v): return 'any'\n"
        "def stage(v): return show(v)"
    )
    show = user["show"]
    assert changes(user["stage"], lambda: show.register(int, define("def f(v): return 1")["f"]))
    assert changes(user["stage"], lambda: show.register(int, define("def f(v): return 2")["f"]))


def test_a_namespace_that_exec_filled_counts():
    user = define(
        "CFG = {}\nexec('k = 1\\ndef f(x): return x * k', CFG)\ndef stage(x): return CFG['f'](x)"
    )
    assert changes(user["stage"], lambda: user["CFG"].update(k=2))
    assert changes(user["stage"], lambda: exec("def f(x): return x + k", user["CFG"]))


def test_what_lies_beside_an_open_connection_counts():
    user = define(
        "import sqlite3, threading\n"
        "class App:\n"
        "    def __init__(self):\n"
        "        self.limit, self.lock = 1, threading.Lock()\n"
        "        self.connection, self.own = sqlite3.connect(':memory:'), {'app': self}\n"
        "app = App()\n"
        "context = {'files': [app.connection], 'limit': 1, 'app': app}\n"
        "def stage(): return app.limit, context['limit']"
    )
    try:
        assert changes(user["stage"], lambda: setattr(user["app"], "limit", 2))
        assert changes(user["stage"], lambda: user["context"].update(limit=2))
        assert not changes(user["stage"], lambda: setattr(user["app"], "lock", threading.Lock()))
        unresolved = describe_code(user["stage"]).unresolved
        assert sorted(text.partition(": ")[0] for text in unresolved) == [
            "app.connection",
            "context['app'].connection",
            "context['files'][0]",
        ]
        assert "nothing tells which file is behind it" in unresolved[-1]
    finally:
        user["app"].connection.close()


def test_what_the_methods_of_an_object_at_work_change_does_not_count():
    user = define(
        "import threading\n"
        "class Client:\n"
        "    def __init__(self, limit):\n"
        "        self.limit, self.calls, self.seen = limit, 0, []\n"
        "        self.lock = threading.Lock()\n"
        "    def get(self, x):\n"
        "        with self.lock:\n"
        "            self.calls += 1\n"
        "            self.seen.append(x)\n"
        "            return x * self.limit\n"
        "client = Client(1)\n"
        "def stage(x): return client.get(x)"
    )
    assert not changes(user["stage"], lambda: user["stage"](3))
    assert changes(user["stage"], lambda: setattr(user["client"], "limit", 2))


@pytest.mark.parametrize(
    "source",
    [
        "from functools import cached_property\n"
        "class C:\n"
        "    k = 2\n"
        "    def __init__(self): self.own = 1\n"
        "    @cached_property\n"
        "    def made(self): return [self.k * self.own]\n"
        "c = C()\n"
        "def stage(x): return c.made[0] * x",
        "import numpy as np\nc = np.vectorize(lambda v: v + 1, otypes=[float])\n"
        "def stage(x): return c([x])",
    ],
)
def test_what_an_object_has_made_from_the_rest_of_it_does_not_count(source):
    user = define(source)
    assert not changes(user["stage"], lambda: user["stage"](3))
    c = user["c"]
    names = ("own",) if "cached" in source else ("pyfunc", "otypes")
    assert all(changes(user["stage"], lambda name=name: setattr(c, name, 7)) for name in names)


def test_what_a_cached_property_held_before_anybody_looked_counts():
    user = define(
        "from functools import cached_property\n"
        "class C:\n"
        "    @cached_property\n"
        "    def made(self): return 1\n"
        "c = C()\n"
        "c.made = 2\n"
        "def stage(): return c.made"
    )
    assert changes(user["stage"], lambda: setattr(user["c"], "made", 3))


def test_of_a_library_s_object_that_holds_a_lock_nothing_counts():
    user = define(
        "from concurrent.futures import ThreadPoolExecutor\n"
        "context = {'pool': ThreadPoolExecutor(2), 'limit': 1}\n"
        "def stage(): return context['limit']"
    )
    assert not changes(user["stage"], lambda: user["context"]["pool"].submit(int).result())
    assert changes(user["stage"], lambda: user["context"].update(limit=2))
    user["context"]["pool"].shutdown()


def test_rebinding_a_helper_is_noticed():
    user = define("def helper(): return 1\ndef stage(): return helper()")
    assert changes(user["stage"], lambda: user.update(helper=lambda: 2))


def test_rebinding_a_helper_to_an_equal_one_changes_nothing():
    source = "def helper(): return 1\ndef stage(): return helper()"
    user = define(source)
    assert not changes(user["stage"], lambda: user.update(helper=define(source)["helper"]))


def test_an_attribute_of_a_module_is_noticed():
    tools = module(f=lambda: 1)
    user = define("def stage(): return tools.f()", tools=tools)
    assert changes(user["stage"], lambda: setattr(tools, "f", lambda: 2))


def test_another_code_in_the_same_function_is_noticed():
    user = define("def helper(): return 1\ndef stage(): return helper()")

    def replace():
        user["helper"].__code__ = (lambda: 2).__code__

    assert changes(user["stage"], replace)


def test_another_default_in_the_same_function_is_noticed():
    user = define("def helper(a=1, *, b=2): return a\ndef stage(): return helper()")
    helper = user["helper"]
    assert changes(user["stage"], lambda: setattr(helper, "__defaults__", (3,)))
    assert changes(user["stage"], lambda: helper.__kwdefaults__.update(b=3))
    assert changes(user["stage"], lambda: setattr(helper, "__kwdefaults__", {"b": 4}))


@pytest.mark.parametrize(
    ("value", "act"),
    [
        ({"a": 1}, lambda v: v.update(a=2)),
        ([1], lambda v: v.append(2)),
        ({1}, lambda v: v.add(2)),
        (([1],), lambda v: v[0].append(2)),
        (types.SimpleNamespace(a=1), lambda v: setattr(v, "a", 2)),
        (collections.OrderedDict(a=1, b=2), lambda v: v.move_to_end("a")),
    ],
)
def test_a_mutable_global_is_fingerprinted_at_each_call(value, act):
    user = define("def stage(): return VALUE", VALUE=value)
    assert changes(user["stage"], lambda: act(value))


def test_a_mutable_default_of_a_helper_is_fingerprinted_at_each_call():
    user = define("def helper(a=[]): return a\ndef stage(): return helper()")
    assert changes(user["stage"], lambda: user["helper"].__defaults__[0].append(1))


def test_the_contents_of_a_closure_are_noticed():
    user = define(
        "def make():\n"
        "    n = 1\n"
        "    def stage(): return n\n"
        "    def move(to):\n"
        "        nonlocal n\n"
        "        n = to\n"
        "    return stage, move"
    )
    stage, move = user["make"]()
    assert changes(stage, lambda: move(2))


def test_a_changed_environment_is_noticed(monkeypatch):
    user = define("import os\nKEY = 'ZQ_B'\ndef stage(): return os.environ['ZQ_A'], os.getenv(KEY)")
    monkeypatch.setenv("ZQ_A", "1")
    assert changes(user["stage"], lambda: monkeypatch.setenv("ZQ_A", "2"))
    assert changes(user["stage"], lambda: monkeypatch.delenv("ZQ_A"))
    assert changes(user["stage"], lambda: monkeypatch.setenv("ZQ_B", "2"))
    assert not changes(user["stage"], lambda: monkeypatch.setenv("ZQ_C", "2"))


@pytest.mark.parametrize(
    "source",
    [
        "from os import environ\ndef stage(): return environ['ZQ_A']",
        "from os import environ\ndef stage(): return 'ZQ_A' in environ",
        "from os import getenv\ndef stage(): return getenv('ZQ_A', 1)",
        "import os as o\ndef stage(): return o.environ.get('ZQ_A')",
        "def stage():\n    import os\n    return os.environ['ZQ_A']",
        "def stage():\n    from os import environ as e\n    return e.get('ZQ_A')",
        "import os\ndef stage(): return [os.environ['ZQ_A'] for _ in range(3)]",
        "import os\ndef helper(): return os.environ['ZQ_A']\ndef stage(): return helper()",
    ],
)
def test_an_environment_read_is_seen_in_every_spelling(monkeypatch, source):
    stage = define(source)["stage"]
    monkeypatch.setenv("ZQ_A", "1")
    assert changes(stage, lambda: monkeypatch.setenv("ZQ_A", "2"))


@pytest.mark.parametrize("last", ["ZQ_A", "ZQ_B", "ZQ_C"])
def test_what_one_helper_asks_is_not_what_another_one_does(monkeypatch, last):
    user = define(
        "import os\n"
        "def one(): return os.environ['ZQ_A']\n"
        "def two(): return os.environ['ZQ_B']\n"
        "def three(): return os.environ.get('ZQ_C')\n"
        "def four(name): return os.environ[name]\n"
        "def stage(): return four('X'), one(), two(), three(), four('Y')"
    )
    for name in ("ZQ_A", "ZQ_B", "ZQ_C"):
        monkeypatch.setenv(name, "1")
    assert changes(user["stage"], lambda: monkeypatch.setenv(last, "2"))


@pytest.mark.parametrize("changed", ["A", "B"])
def test_what_helpers_look_up_by_texts_of_their_own_counts_for_each(changed):
    user = define(
        "A = B = 1\n"
        "def one(): return eval('A')\n"
        "def two(): return eval('B')\n"
        "def stage(): return one(), two()"
    )
    assert changes(user["stage"], lambda: user.update({changed: 2}))


@pytest.mark.parametrize("order", ["one(), two()", "two(), one()"])
def test_what_one_helper_asks_a_database_is_not_what_another_one_does(order):
    import duckdb

    duckdb.sql("create or replace table zq_rates as select 1 as rate")
    user = define(
        "import duckdb\n"
        "def one(): return duckdb.sql('select 1').fetchall()\n"
        "def two(): return duckdb.sql('select rate from zq_rates').fetchall()\n"
        f"def stage(): return {order}"
    )
    try:
        assert changes(user["stage"], lambda: duckdb.sql("update zq_rates set rate = 2"))
    finally:
        duckdb.sql("drop table zq_rates")


def test_helpers_that_ask_for_what_a_function_says_of_itself_do_so_in_any_order():
    sources = [
        "def told(): 'A'",
        "def one(): return told.__doc__",
        "def two(): return told.__doc__",
    ]
    sources.append("def stage(): return one(), two()")
    before = define("\n".join(sources))
    after = define("\n".join(reversed(sources)))
    assert fingerprint_code(before["stage"]) == fingerprint_code(after["stage"])
    documented = define("\n".join(sources).replace("'A'", "'B'"))
    assert fingerprint_code(documented["stage"]) != fingerprint_code(before["stage"])


def test_a_builtin_that_is_shadowed_is_noticed():
    user = define("def stage(x): return len(x)")
    assert changes(user["stage"], lambda: user.update(len=lambda x: 3))


def test_a_name_that_is_defined_later_is_noticed():
    user = define("def stage(): return later()")
    assert changes(user["stage"], lambda: user.update(later=lambda: 3))


def test_a_method_that_is_replaced_is_noticed():
    user = define("class C:\n    def m(self): return 1\ndef stage(): return C().m()")
    assert changes(user["stage"], lambda: setattr(user["C"], "m", lambda self: 2))


def test_a_method_that_is_added_to_a_class_is_noticed():
    user = define("class C: pass\ndef stage(): return C()")
    assert changes(user["stage"], lambda: setattr(user["C"], "__call__", lambda self: 2))


def test_the_state_of_an_instance_is_noticed():
    user = define("class C: pass\nc = C()\nc.n = 1\ndef stage(): return c.n")
    assert changes(user["stage"], lambda: setattr(user["c"], "n", 2))


def test_the_attribute_of_a_function_is_noticed():
    user = define("def helper(): pass\nhelper.limit = 1\ndef stage(): return helper.limit")
    assert changes(user["stage"], lambda: setattr(user["helper"], "limit", 2))


# What the code itself assigns or fills ------------------------------------------------------------


@pytest.mark.parametrize(
    "source",
    [
        "def stage(k): CACHE[k] = 1; return CACHE",
        "def stage(k): CACHE[k] += 1; return CACHE",
        "def stage(k): CACHE[k if k else 3] = 1; return CACHE",
        "def stage(k): CACHE[k, f(k, g(k))] = 1; return CACHE",
        "def stage(k): del CACHE[k]; return CACHE",
        "def stage(): CACHE.update(k=1); return CACHE",
        "def stage(): CACHE.setdefault('k', []).append(1)",
        "def stage(k):\n    c = CACHE\n    c[k] = 1\n    return c",
        "def helper(k): CACHE[k] = 1\ndef stage(): helper(1); return CACHE",
        "def stage(k):\n    def inner(): CACHE[k] = 1\n    inner()\n    return CACHE",
        "def stage(): return [CACHE.pop(k) for k in range(3)]",
        "class C:\n    def m(self, k): CACHE[k] = 1\ndef stage(): C().m(2); return CACHE",
    ],
)
def test_a_container_that_the_code_fills_does_not_count(source):
    user = define(source, CACHE={"a": {}}, f=max, g=abs)
    assert not changes(user["stage"], lambda: user["CACHE"].update(k=2))
    assert not changes(user["stage"], lambda: user.update(CACHE={"other": 1}))


@pytest.mark.parametrize(
    "source",
    [
        "def stage(): STATE['k'] = 1; return STATE",
        "def stage(): STATE['k'] += 1; return STATE",
        "def stage(): STATE['k'].append(1); return STATE",
        "def stage(): STATE['k']['a'].update(b=1); return STATE",
        "def stage(): del STATE['k']; return STATE",
        "def stage():\n    c = STATE\n    c['k'] = 1\n    return c",
        "def helper(): STATE['k'] = 1\ndef stage(): helper(); return STATE",
        "def stage():\n    def inner(): STATE['k'] = 1\n    inner()\n    return STATE",
        "class C:\n    def m(self): STATE['k'] = 1\ndef stage(): C().m(); return STATE",
    ],
)
def test_of_a_dict_of_which_code_fills_an_item_the_others_count(source):
    user = define(source, STATE={"limit": 5, "k": 0})
    assert not changes(user["stage"], lambda: user["STATE"].update(k=2))
    assert changes(user["stage"], lambda: user["STATE"].update(limit=6))
    assert changes(user["stage"], lambda: user["STATE"].update(other=1))
    assert any("['k']" in one for one in describe_code(user["stage"]).uncounted)


@pytest.mark.parametrize(
    "source",
    [
        "def stage(): STATE['k']['a'] = 1; return STATE",
        "def stage(): STATE['k']['a'] += 1; return STATE",
    ],
)
def test_of_an_item_in_which_code_fills_another_the_rest_counts(source):
    user = define(source, STATE={"limit": 5, "k": {"a": 0, "limit": 5}})
    assert changes(user["stage"], lambda: user["STATE"]["k"].update(limit=6))
    assert changes(user["stage"], lambda: user["STATE"].update(limit=6))


@pytest.mark.parametrize(
    "source",
    [
        "def stage(d): d[CONFIG['k']] = 1",
        "def stage(d): d[len(CONFIG)] += 1; return d",
        "def stage(d):\n    d = dict(CONFIG)\n    d['k'] = 1\n    return d",
        "def stage(d): return {**CONFIG, 'k': 1}",
        "def stage(d): d['k'] = CONFIG; return d",
        "def stage(d): d[0], d[1] = CONFIG, 1",
        "def stage(d): return CONFIG.copy().update(k=1)",
        "def stage(d): d.append(CONFIG)",
        "def stage(CACHE): CACHE['k'] = 1; return CONFIG",
    ],
)
def test_a_container_that_the_code_only_reads_counts(source):
    user = define(source, CONFIG={"k": 1})
    assert changes(user["stage"], lambda: user["CONFIG"].update(k=2))


def test_a_key_that_is_held_by_a_global_counts():
    user = define("def stage(d): d[KEY] += 1; d[KEY] = 2", KEY="k")
    assert changes(user["stage"], lambda: user.update(KEY="other"))


@pytest.mark.parametrize(
    "source",
    [
        "model = None\ndef stage():\n    global model\n    if model is None: model = object()\n",
        "model = None\ndef load():\n    global model\n    model = 1\n"
        "def stage(): load(); return model",
        "def stage():\n    if not hasattr(stage, 'model'): stage.model = 1\n    return stage.model",
    ],
)
def test_a_lazily_set_global_does_not_count(source):
    user = define(source)
    assert not changes(user["stage"], lambda: user.update(model=[1, 2]))
    assert not changes(user["stage"], lambda: setattr(user["stage"], "model", 3))


def test_an_attribute_that_the_code_sets_does_not_count_but_the_others_do():
    user = define(
        "class C:\n    def m(self): return 1\n"
        "state = C()\n"
        "def stage():\n    state.n = 1\n    return state.m()"
    )
    assert not changes(user["stage"], lambda: setattr(user["state"], "n", 5))
    assert changes(user["stage"], lambda: setattr(user["state"], "limit", 5))
    assert describe_code(user["stage"]).uncounted == ("state.n",)
    assert changes(user["stage"], lambda: setattr(user["C"], "m", lambda self: 2))


def test_a_memo_on_a_class_does_not_count_but_its_constants_do():
    user = define(
        "class C:\n"
        "    memo = {}\n"
        "    table = {}\n"
        "    items = []\n"
        "    limit = 1\n"
        "    one = None\n"
        "    def __init__(self): self.items = [1]; self.limit = self.limit\n"
        "    def m(self, k):\n"
        "        self.memo[k] = 1\n"
        "        self.items.append(k)\n"
        "        return self.table\n"
        "    @classmethod\n"
        "    def single(cls):\n"
        "        if cls.one is None: cls.one = cls()\n"
        "        return cls.one\n"
        "def stage(): return C().m(2)"
    )
    cls = user["C"]
    assert not changes(user["stage"], lambda: cls.memo.update(k=2))
    assert not changes(user["stage"], lambda: setattr(cls, "one", cls()))
    assert changes(user["stage"], lambda: cls.table.update(k=2))
    assert changes(user["stage"], lambda: cls.items.append(2))
    assert changes(user["stage"], lambda: setattr(cls, "limit", 2))


def test_a_counter_in_a_closure_does_not_count():
    user = define(
        "def make():\n"
        "    n = 0\n"
        "    def stage():\n"
        "        nonlocal n\n"
        "        n += 1\n"
        "        return n\n"
        "    return stage\n"
        "stage = make()"
    )
    assert not changes(user["stage"], user["stage"])


# What wraps and holds code ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrap",
    [
        functools.lru_cache(maxsize=8),
        functools.partial,
        lambda f: functools.partial(functools.partial(f)),
        staticmethod,
        lambda f: [f],
        lambda f: {"deep": [({"er": f},)]},
        lambda f: functools.wraps(f)(lambda *a: f(*a)),
        lambda f: types.MethodType(f, 3),
        lambda f: functools.singledispatch(f),
        lambda f: type("Offers", (), {"__stagecache_code__": lambda self: (f, "1")})(),
    ],
)
def test_code_is_found_in_what_wraps_it(wrap):
    user = define("def helper(x=0): return 1\ndef stage(): return wrapped")
    user["wrapped"] = wrap(user["helper"])

    def replace():
        user["helper"].__code__ = (lambda x=0: 2).__code__

    assert changes(user["stage"], replace)


def test_a_function_registered_with_singledispatch_is_found():
    user = define(
        "from functools import singledispatch\n"
        "@singledispatch\n"
        "def helper(x): return 1\n"
        "@helper.register\n"
        "def for_int(x: int): return 2\n"
        "def stage(): return helper(3)"
    )

    def replace():
        user["for_int"].__code__ = (lambda x: 5).__code__

    assert changes(user["stage"], replace)


def test_only_the_version_of_a_stable_helper_counts():
    source = (
        "from stagecache.fingerprint.stable import stable\n"
        "@stable(version='{version}')\n"
        "def helper(): return {value}\n"
        "def stage(): return helper()"
    )

    def digest(version, value):
        return fingerprint_code(define(source.format(version=version, value=value))["stage"])

    assert digest("1", 1) == digest("1", 2)
    assert digest("1", 1) != digest("2", 1)


def test_a_wrapper_of_a_stable_helper_is_not_stable_itself():
    source = (
        "import functools\n"
        "from stagecache.fingerprint.stable import stable\n"
        "@stable\n"
        "def inner(): return 1\n"
        "@functools.wraps(inner)\n"
        "def helper(): return inner() + {value}\n"
        "def stage(): return helper()"
    )
    one, two = (fingerprint_code(define(source.format(value=k))["stage"]) for k in (1, 2))
    assert one != two


def test_an_edited_class_of_a_stable_base_counts():
    source = (
        "from stagecache.fingerprint.stable import stable\n"
        "@stable\n"
        "class Base:\n    def a(self): return 1\n"
        "class C(Base):\n    def b(self): return {value}\n"
        "def stage(): return C()"
    )
    one, two = (fingerprint_code(define(source.format(value=k))["stage"]) for k in (1, 2))
    assert one != two


CLASSES = {
    "an enum's value": "import enum\nclass C(enum.Enum):\n    A = {n}\n    B = 7",
    "an enum's order": "import enum\nclass C(enum.Enum):\n    {a} = 1\n    {b} = 2",
    "an enum's method": "import enum\nclass C(enum.Enum):\n    A = 1\n    def m(self): return {n}",
    "a named tuple's default": "import typing\nclass C(typing.NamedTuple):\n    a: int = {n}",
    "a named tuple's order": "import collections\nC = collections.namedtuple('C', '{a} {b}')",
    "a metaclass": "class M(type):\n    def m(cls): return {n}\nclass C(metaclass=M): pass",
    "slots": "class C:\n    __slots__ = ('{a}',)",
    "a nested class": "class C:\n    class D:\n        x = {n}",
    "a cached property": "import functools\nclass C:\n    @functools.cached_property\n"
    "    def p(self): return {n}",
    "a default factory": "import dataclasses\n@dataclasses.dataclass\nclass C:\n"
    "    a: list = dataclasses.field(default_factory=lambda: [{n}])",
    "the order of fields": "import dataclasses\n@dataclasses.dataclass\nclass C:\n"
    "    {a}: int = 0\n    {b}: int = 0",
    "a descriptor": "class D:\n    def __get__(self, *_): return {n}\nclass C:\n    d = D()",
    "an abstract base": "import abc\nclass B(abc.ABC):\n    @abc.abstractmethod\n"
    "    def m(self): return {n}\nclass C(B): pass",
    "a generic base": "import typing\nT = typing.TypeVar('T')\nclass B(typing.Generic[T]):\n"
    "    def m(self): return {n}\nclass C(B[int]): pass",
    "a method by super": "class B:\n    def m(self): return {n}\nclass C(B):\n"
    "    def m(self): return super().m()",
    "a protocol": "import typing\nclass C(typing.Protocol):\n    def m(self): return {n}",
}


@pytest.mark.parametrize("kind", CLASSES)
def test_every_part_of_a_class_counts(kind):
    def digest(**names):
        source = CLASSES[kind].format(**names) + "\ndef stage(): return C"
        return fingerprint_code(define(source)["stage"])

    first = {"n": 1, "a": "left", "b": "right"}
    second = {"n": 2, "a": "right", "b": "left"}
    assert digest(**first) == digest(**first)
    assert digest(**first) != digest(**second)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            "class C:\n    def a(s): pass\n    def b(s): pass",
            "class C:\n    def b(s): pass\n    def a(s): pass",
        ),
        ("class C: x: int = 1", "class C: x: str = 1"),
        ("class C:\n    'Doc.'\n    x = 1", "class C:\n    x = 1"),
        ("class C: x = 1", "class D: x = 1\nC = D"),
    ],
)
def test_a_class_that_means_the_same_is_the_same(one, other):
    first, second = (define(s + "\ndef stage(): return C")["stage"] for s in (one, other))
    assert fingerprint_code(first) == fingerprint_code(second)


def test_using_a_class_does_not_change_its_fingerprint():
    user = define(
        "import abc, enum, typing, functools\n"
        "class A(abc.ABC):\n    @functools.lru_cache\n    def m(self): return 1\n"
        "class E(enum.Flag):\n    A = 1\n    B = 2\n"
        "T = typing.TypeVar('T')\n"
        "class G(typing.Generic[T]):\n    def m(self) -> T: return 1\n"
        "def stage(): return A, E, G"
    )

    def use():
        assert not isinstance(3, user["A"])
        assert user["E"](3) == user["E"].A | user["E"].B
        assert user["G"][int]().m() == 1
        user["A"]().m()
        typing.get_type_hints(user["G"].m)
        assert user["G"].__doc__ is None

    assert not changes(user["stage"], use)


@pytest.mark.parametrize("body", ["pass", "__slots__ = ('x', '_y')"])
def test_pickling_an_instance_does_not_change_the_fingerprint_of_its_class(body):
    """What copyreg notes on the class it can work out again."""
    made = define(f"class K:\n    {body}\ndef fn():\n    return K()")
    assert not changes(made["fn"], lambda: made["fn"]().__reduce_ex__(4))
    assert "__slotnames__" in vars(made["K"])


def test_calling_a_stage_does_not_change_its_fingerprint():
    user = define(
        "import functools\n"
        "@functools.lru_cache\n"
        "def helper(x): return x\n"
        "class C:\n"
        "    @functools.cached_property\n"
        "    def p(self): return 1\n"
        "def stage():\n"
        "    import json.decoder, colorsys\n"
        "    return helper(1), C().p, json.decoder.JSONDecoder, colorsys.rgb_to_hsv\n"
    )
    assert not changes(user["stage"], user["stage"])


def test_a_helper_is_the_same_from_whichever_side_of_a_recursion():
    source = (
        "def {a}(n): return {b}(n - 1) if n else 0\n"
        "def {b}(n): return {a}(n - 1) if n else 0\n"
        "def stage(n): return {a}(n)"
    )
    first = define(source.format(a="ping", b="pong"))["stage"]
    second = define(source.format(a="pong", b="ping"))["stage"]
    assert fingerprint_code(first) == fingerprint_code(second)


def test_a_long_chain_of_helpers_needs_no_deep_stack():
    lines = [f"def f{k}(): return f{k + 1}()" for k in range(3000)]
    user = define("\n".join(lines) + "\ndef f3000(): return 1")
    assert changes(user["f0"], lambda: user.update(f3000=lambda: 2))


def test_helpers_that_touch_large_libraries_are_bounded():
    pytest.importorskip("sklearn")
    user = define(
        "import numpy as np, pandas as pd, pyarrow as pa\n"
        "from sklearn.linear_model import LinearRegression\n"
        "model = LinearRegression()\n"
        "frame = pd.DataFrame({'a': [1]})\n"
        "class Mine(LinearRegression):\n    def fit(self, x): return self\n"
        "def helper(x): return np.linalg.norm(x), pa.table({}), pd.read_csv, pd.Series([1]).str\n"
        "def stage(x): return helper(x), model.fit(x), Mine().fit(x), frame.sum(), np.add\n"
    )
    assert changes(user["stage"], lambda: setattr(user["Mine"], "fit", lambda self, x: 1))


def test_threads_agree():
    user = define("def helper(): return 1\ndef stage(): return helper(), TABLE", TABLE={"a": 1})
    barrier, found = threading.Barrier(4), []

    def take():
        barrier.wait()
        found.extend(fingerprint_code(user["stage"]) for _ in range(20))

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1


def test_a_module_that_is_used_as_a_whole_counts_as_a_whole():
    tools = module(f=lambda: 1)
    user = define("def stage(name): return getattr(tools, name)", tools=tools)
    assert changes(user["stage"], lambda: setattr(tools, "f", lambda: 2))


def test_an_enum_member_counts_by_value():
    class Level(enum.Enum):
        LOW = 1

    user = define("def stage(): return LEVEL", LEVEL=Level.LOW)
    before = fingerprint_code(user["stage"])
    assert fingerprint_code(user["stage"]) == before


def test_a_lambda_that_is_exchanged_in_a_dict_is_noticed():
    user = define("STEPS = {'a': lambda: 1, 'b': lambda: 2}\ndef stage(): return STEPS['a']()")
    assert changes(user["stage"], lambda: user["STEPS"].update(a=define("f = lambda: 3")["f"]))
    steps = user["STEPS"]
    assert changes(user["stage"], lambda: steps.update(a=steps["b"], b=steps["a"]))


def test_where_code_is_does_not_count():
    source = "def stage(): return __name__, __doc__"
    one, other = define(source, __file__="a"), define(source, __file__="b", __name__="__main__")
    assert fingerprint_code(one["stage"]) == fingerprint_code(other["stage"])


@pytest.mark.parametrize(
    "source",
    [
        "def stage(): return __file__",
        "def stage(): return __spec__.origin",
        "import importlib.resources as r\ndef stage(): return r.files('pkg')",
        "def stage():\n    from pkgutil import get_data\n    return get_data(__name__, 'a.txt')",
    ],
)
def test_code_that_asks_where_it_is_counts_that(source):
    one, other = define(source, __file__="/a/lib.py"), define(source, __file__="/b/lib.py")
    assert fingerprint_code(one["stage"]) != fingerprint_code(other["stage"])


@pytest.mark.parametrize(
    "asking",
    [
        "lambda f: f.order",
        "operator.attrgetter('order')",
        "lambda f: getattr(f, 'order', 0)",
        "lambda f: vars(f)['order']",
    ],
)
def test_what_a_decorator_puts_onto_functions_counts_where_code_asks_for_it(asking):
    user = define(
        "import operator\n"
        "def step(order):\n"
        "    def deco(f):\n        f.order = order\n        return f\n"
        "    return deco\n"
        "@step(1)\ndef one(): return 1\n"
        "STEPS = {'one': one}\n"
        f"def stage(): return sorted(STEPS.values(), key={asking})"
    )
    assert changes(user["stage"], lambda: setattr(user["one"], "order", 2))
    assert changes(user["stage"], lambda: delattr(user["one"], "order"))


@pytest.mark.parametrize("counting", ["inner.n += 1", "setattr(inner, 'n', inner.n + 1)"])
def test_what_a_wrapper_counts_of_itself_does_not_count(counting):
    user = define(
        "def counted(f):\n"
        "    def inner():\n"
        f"        {counting}\n"
        "        return f()\n"
        "    inner.n = 0\n"
        "    return inner\n"
        "@counted\ndef one(): return 1\n"
        "def stage(g=None): return one(), getattr(g, 'n')"
    )
    assert not changes(user["stage"], user["one"])


def test_a_variable_that_the_code_sets_does_not_count(monkeypatch):
    user = define("import os\ndef stage(): os.environ['ZQ_A'] = '1'")
    assert not changes(user["stage"], lambda: monkeypatch.setenv("ZQ_A", "2"))


def test_a_compiled_library_of_the_users_counts_by_its_file(tmp_path):
    import _heapq
    import importlib.machinery
    import importlib.util

    from stagecache.fingerprint.code import foreign

    def load(folder, added=b""):
        folder.mkdir()
        with open(_heapq.__file__, "rb") as stream:
            copied = folder / "_heapq.so"
            copied.write_bytes(stream.read() + added)
        loader = importlib.machinery.ExtensionFileLoader("zq_fast._heapq", str(copied))
        spec = importlib.util.spec_from_loader("zq_fast._heapq", loader)
        made = sys.modules["zq_fast._heapq"] = importlib.util.module_from_spec(spec)
        made.heappush.__module__ = "zq_fast._heapq"  # as Cython does
        foreign._libraries.pop("zq_fast._heapq", None)
        return fingerprint_code(define("def stage(): return f", f=made.heappush)["stage"])

    if not getattr(_heapq, "__file__", None):
        pytest.skip("built into the interpreter")
    one = load(tmp_path / "one")
    assert load(tmp_path / "same") == one
    assert load(tmp_path / "other", b"rebuilt") != one


def test_examples_in_the_docstrings_of_stagecache_are_the_users():
    source = "def helper(): return {}\ndef stage(): return helper()\nclass C:\n    x = {}\nc = C()"
    one, other = (define(source.format(k, k), __name__="stagecache.stage") for k in (1, 2))
    assert fingerprint_code(one["stage"]) != fingerprint_code(other["stage"])
    assert fingerprint_code(one["C"]) != fingerprint_code(other["C"])


@pytest.mark.parametrize(
    "source",
    [
        "def helper(): return 1\ndef stage():\n    helper.calls = 1\n    return helper()",
        "def helper(): return 1\ndef stage():\n    helper.calls += 1\n    return helper()",
        "def helper(): return 1\nhelper.seen = []\ndef stage():\n    helper.seen.append(1)\n"
        "    return helper()",
        "class K:\n    def __call__(self): return 1\nclass H: pass\n"
        "def helper(): return 1\ndef stage():\n    H.memo = 1\n    return helper()",
    ],
)
def test_code_counts_even_where_something_is_put_on_it(source):
    user = define(source)

    def replace():
        user["helper"].__code__ = (lambda: 2).__code__

    assert changes(user["stage"], replace)


@pytest.mark.parametrize(
    "source",
    [
        "def helper(): pass\ndef stage():\n    helper.calls = 1",
        "class H: pass\ndef stage():\n    H.memo = 1",
        "class H: pass\nh = H()\ndef stage():\n    h.memo = 1",
        "import typing\nclass P(typing.Protocol):\n    def m(self): ...\n"
        "class C(P):\n    def m(self): return 1\ndef stage(): return C().m()",
    ],
)
def test_what_a_stage_leaves_behind_does_not_count(source):
    user = define(source)
    assert not changes(user["stage"], user["stage"])


def test_a_library_counts_even_where_an_option_of_it_is_set(monkeypatch):
    from stagecache.fingerprint import origin

    user = define("import xxhash\ndef stage():\n    xxhash.option = 1\n    xxhash.opts[1] = 2")
    before = fingerprint_code(user["stage"])
    monkeypatch.setitem(origin._distribution, "xxhash", ("xxhash", "0"))
    again = define("import xxhash\ndef stage():\n    xxhash.option = 1\n    xxhash.opts[1] = 2")
    assert fingerprint_code(again["stage"]) != before


def test_loggers_and_locks_do_not_count():
    source = (
        "import logging, threading\n"
        "log = logging.getLogger('{}')\n"
        "lock = threading.{}()\n"
        "def stage():\n    log.info('x')\n    with lock: pass"
    )
    one = define(source.format("a", "RLock"))["stage"]
    other = define(source.format("b", "RLock"))["stage"]
    assert fingerprint_code(one) == fingerprint_code(other)
    assert not changes(one, one)
