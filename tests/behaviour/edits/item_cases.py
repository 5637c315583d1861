"""Edits of dicts and objects of which stages themselves fill single items, and of memos."""

from __future__ import annotations

from cases import keep, rerun

_HOLDERS = {
    "a dict": ('{"limit": $edit, "last": 0}', 'STATE["last"]', 'STATE["limit"]'),
    "an object": ("Namespace(limit=$edit, last=0)", "STATE.last", "STATE.limit"),
    "an object of one's own": ("State($edit)", "STATE.last", "STATE.limit"),
}
_STATE = """
from types import SimpleNamespace as Namespace

class State:
    def __init__(self, limit):
        self.limit = limit
        self.last = 0

STATE = $made

@stage
def first(x):
    $last = x
    return x * $limit

@stage
def second(x):
    $last += x
    return x + $limit
"""


def _with(made: str, last: str, limit: str) -> str:
    return _STATE.replace("$made", made).replace("$last", last).replace("$limit", limit)


for _name, _words in _HOLDERS.items():
    rerun(
        f"an item beside one that stages fill in {_name}",
        "5",
        "6",
        _with(*_words),
        call="(first(1), second(2), first(1), second(2))",
        reruns=("first", "second"),
    )
_MEMO = """
MODELS = {"size": $edit}

def one():
    if "one" not in MODELS:
        MODELS["one"] = MODELS["size"] + 1
    return MODELS["one"]

def other():
    MODELS["other"] = MODELS.get("other") or 2
    return MODELS["other"]

@stage
def first(x):
    return one() + x

@stage
def second(x):
    return other() + x
"""
rerun(
    "an item of which others in a memo are made",
    "5",
    "6",
    _MEMO,
    call="(first(1), second(1), first(2), second(2))",
    reruns=("first", "second", "first", "second"),
)
keep(
    "what stages count in a dict of all",
    "# so many",
    "# so far",
    """
    COUNTS = {"first": 0, "second": 0}

    @stage
    def first(x):
        COUNTS["first"] += x  $edit
        return x

    @stage
    def second(x):
        COUNTS["second"] += x
        return -x
""",
    call="(first(1), second(1), first(1), second(1), first(2))",
)
keep(
    "what another stage keeps in a memo by names that it works out",
    "# so many",
    "# so far",
    """
    KEPT = {"size": 3}

    @stage
    def first(x):
        KEPT["first"] = KEPT["size"] + x  $edit
        return KEPT["first"]

    @stage
    def second(x):
        KEPT[x] = x + 1
        return KEPT[x]
""",
    call="(first(1), second(1), first(1), second(1), first(2))",
)
rerun(
    "an item that is changed between two stages",
    "5",
    "6",
    """
    STATE = {"limit": 1, "last": 0}

    @stage
    def first(x):
        STATE["last"] = x
        return x * STATE["limit"]

    def changed():
        STATE["limit"] = $edit
        return first(1)
""",
    call="(first(1), changed())",
    reruns=("first",),
)
rerun(
    "an item beside containers that stages fill",
    "5",
    "6",
    """
    import json
    from types import SimpleNamespace as Namespace

    class State:
        def __init__(self, made):
            self.__dict__.update(made)

    def loaded():
        return json.load(open("state.json"))

    NAMES, STATE, DICT = Namespace(**loaded()), State(loaded()), loaded()
    OUTER = Namespace(state=State(loaded()))

    @stage
    def stored(x):
        NAMES.seen["last"] = x
        return x * NAMES.limit

    @stage
    def appended(x):
        STATE.log.append(x)
        return x * STATE.limit

    @stage
    def counted(x):
        DICT["seen"]["calls"] += x
        return x * DICT["seen"]["limit"]

    @stage
    def noted(x):
        DICT["log"].append(x)
        return x * DICT["limit"]

    @stage
    def inner(x):
        OUTER.state.last = x
        return x * OUTER.state.limit

    def work(x):
        made = stored(x), appended(x), counted(x), noted(x), counted(x + 1), noted(x)
        return made, inner(x), inner(x + 1)
""",
    reruns=("stored", "appended", "counted", "counted", "noted", "inner", "inner"),
    files={"state.json": '{"limit": $edit, "log": [], "seen": {"calls": 0, "limit": $edit}}'},
)
rerun(
    "what is there beside what stages fill of anything",
    "5",
    "6",
    """
    import collections, json
    from dataclasses import dataclass
    import numpy as np
    import pandas as pd

    FOUND = json.load(open("found.json"))

    class Box(dict):
        __getattr__ = dict.__getitem__

        def __setattr__(self, name, value):
            self[name] = value

    @dataclass(slots=True)
    class Slots:
        limit: int
        last: int = 0

    class Worded:
        def __init__(self, limit):
            self.limit = limit
            self.log = []

        def __getstate__(self):
            return {"all": self.__dict__}

    class Kept:
        state = {"limit": FOUND[0], "log": []}

    FRAME, ARRAY = pd.DataFrame({"limit": FOUND}), np.array([FOUND, FOUND])
    BOX, SLOTS, WORDED = Box(limit=FOUND[0]), Slots(FOUND[0]), Worded(FOUND[0])
    COUNTED = collections.defaultdict(int, limit=FOUND[0])

    @stage
    def framed(x):
        FRAME["last"] = FRAME["limit"] * x
        return int(FRAME["last"].sum())

    @stage
    def arrayed(x):
        ARRAY[0] = x
        return int(ARRAY[1].sum())

    @stage
    def boxed(x):
        BOX.last = x
        BOX["seen"] = x
        return BOX.limit * x

    @stage
    def slotted(x):
        SLOTS.last = x
        return SLOTS.limit * x

    @stage
    def worded(x):
        WORDED.log.append(x)
        return WORDED.limit * x

    @stage
    def counted(x):
        COUNTED["seen"] += x
        return COUNTED["limit"] * x

    @stage
    def kept(x):
        Kept.state["last"] = x
        Kept.state["log"].append(x)
        return Kept.state["limit"] * x

    def work(x):
        stages = framed, arrayed, boxed, slotted, worded, counted, kept
        return [each(x + more) for more in range(2) for each in stages]
""",
    reruns=("framed", "arrayed", "boxed", "slotted", "worded", "counted", "kept") * 2,
    files={"found.json": "[$edit, 9]"},
)
