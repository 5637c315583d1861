"""Edits of files that somebody read before a stage ran, in a function that keeps what it read."""

from __future__ import annotations

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
