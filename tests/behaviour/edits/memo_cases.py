"""Edits of files that somebody read before a stage ran, in a function that keeps what it read."""

from __future__ import annotations

from importlib.util import find_spec

from cases import move, rerun

_LOADERS = {
    "lru_cache": """
import json
from functools import lru_cache

@lru_cache
def load(name):
    with open(name) as stream:
        return json.load(stream)
""",
    "memo in a dict": """
import json

KEPT = {}

def load(name):
    if name not in KEPT:
        with open(name) as stream:
            KEPT[name] = json.load(stream)
    return KEPT[name]
""",
    "memo in a global": """
import json

kept = None

def load(name):
    global kept
    if kept is None:
        with open(name) as stream:
            kept = json.load(stream)
    return kept
""",
    "memo of its own": """
import json

def keeping(function):
    kept = {}

    def give(*names):
        if names not in kept:
            kept[names] = function(*names)
        return kept[names]

    return give

@keeping
def load(name):
    with open(name) as stream:
        return json.load(stream)
""",
    "memo of a method": """
import json
from functools import lru_cache

class Loader:
    @staticmethod
    @lru_cache
    def read(name):
        with open(name) as stream:
            return json.load(stream)

def load(name):
    return Loader.read(name)
""",
    "cached property": """
import json
from functools import cached_property

class Config:
    name = "config.json"

    @cached_property
    def value(self):
        with open(self.name) as stream:
            return json.load(stream)

CONFIG = Config()

def load(name):
    return CONFIG.value
""",
    "memo behind a memo": """
import json
from functools import cache

@cache
def read(name):
    with open(name) as stream:
        return json.load(stream)

@cache
def load(name):
    return read(name) + 0
""",
    "memo of a function of a function": """
import json
from functools import lru_cache

def made():
    @lru_cache
    def load(name):
        with open(name) as stream:
            return json.load(stream)
    return load

load = made()
""",
    "memo around a function of another name": """
import json
from functools import lru_cache

def read(name):
    with open(name) as stream:
        return json.load(stream)

load = lru_cache(read)
""",
    "memo of a lambda": """
import json
from functools import lru_cache
from pathlib import Path

load = lru_cache(lambda name: json.loads(Path(name).read_text()))
""",
    "memo of cachetools": """
import json
import cachetools

@cachetools.cached(cachetools.LRUCache(10))
def load(name):
    with open(name) as stream:
        return json.load(stream)
""",
    "memo of stagecache": """
import json
from stagecache import memoize

@memoize
def load(name):
    with open(name) as stream:
        return json.load(stream)
""",
    "memo in a class": """
import json

class Loader:
    kept = None

    @classmethod
    def read(cls, name):
        if cls.kept is None:
            with open(name) as stream:
                cls.kept = json.load(stream)
        return cls.kept

def load(name):
    return Loader.read(name)
""",
    "only instance of a class": """
import json

class Config:
    only = None

    def __new__(cls, name):
        if cls.only is None:
            cls.only = super().__new__(cls)
            with open(name) as stream:
                cls.only.value = json.load(stream)
        return cls.only

def load(name):
    return Config(name).value
""",
    "generator that goes on": """
import json

def values(name):
    with open(name) as stream:
        value = json.load(stream)
    while True:
        yield value

VALUES = values("config.json")

def load(name):
    return next(VALUES)
""",
}
_STAGES = """
@stage
def first(x):
    return load("config.json")

@stage
def work(x):
    return load("config.json") * x

@stage
def other(x):
    return x
"""
for _name, _loader in _LOADERS.items():
    rerun(
        f"{_name}, filled by another stage",
        "5",
        "6",
        _loader + _STAGES,
        call="(first(1), work(2), other(3))",
        reruns=("first", "work"),
        files={"config.json": "$edit"},
    )
    rerun(
        f"{_name}, filled before the stage",
        "5",
        "6",
        _loader + _STAGES,
        call="(load('config.json'), work(2), other(3))",
        reruns=("work",),
        files={"config.json": "$edit"},
    )
rerun(
    "memo behind a memo that was filled before it",
    "5",
    "6",
    _LOADERS["memo behind a memo"] + _STAGES,
    call="(read('config.json'), load('config.json'), work(2), other(3))",
    reruns=("work",),
    files={"config.json": "$edit"},
)
_EACH_ITS_OWN = (
    _LOADERS["memo in a dict"]
    + """
@stage
def work(name):
    return load(name)
"""
)
move(
    "memo asked by each call for a file of its own",
    _EACH_ITS_OWN,
    _EACH_ITS_OWN,
    before={"a.json": "1", "b.json": "2"},
    after={"a.json": "3", "b.json": "2"},
    call="(work('a.json'), work('b.json'))",
    reruns=("work",),
)

_ASKS = {
    "whether a file is there": (
        "os.path.exists('extra.txt')", {}, {"extra.txt": "1"},
    ),
    "how large a file is": (
        "os.path.getsize('data.txt')", {"data.txt": "1"}, {"data.txt": "12"},
    ),
    "what is in a folder": (
        "sorted(os.listdir('data'))", {"data/a.txt": "1"}, {"data/a.txt": "1", "data/b.txt": "1"},
    ),
    "a file by native code": (
        "__import__('polars').read_csv('data.csv')['a'].to_list()",
        {"data.csv": "a\n1\n"},
        {"data.csv": "a\n2\n"},
    ),
    "a query of a file": (
        "__import__('duckdb').sql(\"select * from 'data.csv'\").fetchall()",
        {"data.csv": "a\n1\n"},
        {"data.csv": "a\n2\n"},
    ),
    "a module by a name that is worked out": (
        "importlib.import_module('extra' + str(1)).LIMIT",
        {"extra1.py": "LIMIT = 1\n"},
        {"extra1.py": "LIMIT = 2\n"},
    ),
    "another program": (
        "subprocess.run(['cat', 'data.txt'], capture_output=True).stdout",
        {"data.txt": "1"},
        {"data.txt": "2"},
    ),
}  # fmt: skip
for _name, (_ask, _before, _after) in _ASKS.items():
    _program = f"""
import importlib, os, subprocess
from functools import lru_cache

@lru_cache
def asked():
    return {_ask}

@stage
def work(x):
    return asked(), x
"""
    move(
        f"memo that asked for {_name} before the stage",
        _program,
        _program,
        before=_before,
        after=_after,
        call="(asked(), work(3))",
        reruns=("work",),
    )
rerun(
    "memo that asked for a variable before the stage",
    "'a'",
    "'b'",
    """
import os
from functools import lru_cache

os.environ["SITE_Z"] = $edit

@lru_cache
def asked(name):
    return os.environ.get("SITE_" + name)

@stage
def work(x):
    return asked("Z"), x
""",
    call="(asked('Z'), work(3))",
)
rerun(
    "memo that is filled while its module is imported, before there is a stage",
    "1",
    "2",
    """
import settings

@stage
def work(x):
    return settings.load(), x
""",
    files={
        "settings.py": """
import json
import stagecache
from functools import lru_cache

@lru_cache
def load():
    with open("config.json") as stream:
        return json.load(stream)

LIMIT = load()
""",
        "config.json": "$edit",
    },
)
rerun(
    "memo of what a stage gave, filled before the stage",
    "1",
    "2",
    """
from functools import lru_cache
from pathlib import Path

@stage
def read(x):
    return Path("data.txt").read_text()

@lru_cache
def kept():
    return read(1)

@stage
def work(x):
    return kept(), x
""",
    call="(kept(), work(3))",
    reruns=("read", "work"),
    files={"data.txt": "$edit"},
)
_PAGES = """
import jinja2

PAGES = jinja2.Environment(loader=jinja2.FileSystemLoader("."))

def page(x):
    return PAGES.get_template("page.html").render(x=x)
{before}
@stage
def first(x):
    return page(x)

@stage
def work(x):
    return page(x)
"""
_KEPT_BY_A_LIBRARY = {
    "filled by another stage": ("", "(first(3), work(4), first(5))", ("first", "first", "work")),
    "filled before the stage": ("page(1)", "work(3)", ("work",)),
}
for _name, (_before, _call, _reruns) in _KEPT_BY_A_LIBRARY.items():
    if find_spec("jinja2") is not None:
        rerun(
            f"template that a library keeps, {_name}", "1", "2",
            _PAGES.format(before=_before), call=_call, reruns=_reruns,
            files={"page.html": "$edit of {{x}}"},
        )  # fmt: skip
rerun(
    "a memo that is the default of an argument",
    "5",
    "6",
    """
    import json
    import toolz

    def load(name, kept={}, *, read=[]):
        read.append(name)
        if name not in kept:
            kept[name] = json.load(open(name))
        return kept[name]

    @toolz.memoize
    def limit(name):
        return json.load(open(name))

    def scaled(x, options={"limit": $edit, "last": 0}):
        options["last"] = x
        return x * options["limit"]

    def added(x, options={"limit": $edit}):
        options = dict(options)
        options["last"] = x
        return x + options["limit"]

    @stage
    def first(x):
        return load("limit" + ".json") + x

    @stage
    def second(x):
        return load("limit" + ".json") * x

    @stage
    def third(x):
        return limit("limit" + ".json") * x

    @stage
    def fourth(x):
        return scaled(x) + added(x)

    def work(x):
        return first(x), second(x), third(x), third(x + 1), fourth(x), fourth(x + 1)
""",
    reruns=("first", "second", "third", "third", "fourth", "fourth"),
    files={"limit.json": "$edit"},
)
