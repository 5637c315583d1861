"""Edits around objects whose methods fill attributes by themselves: memos, models loaded once."""

from __future__ import annotations

from cases import keep, rerun

_STAGES = """
@stage
def first(x):
    return TABLE.rows(2) + [x]

@stage
def second(x):
    return [x] + TABLE.rows(2)
"""
_CALL = "(first(1), first(1), second(1), first(1))"
_FORMS = {
    "asked for by is None": """
class Table:
    def __init__(self):
        self._rows = None

    def rows(self, count):
        if self._rows is None:
            self._rows = $made
        return self._rows * count
""",
    "filled by or": """
class Table:
    def __init__(self):
        self._rows = []

    def rows(self, count):
        self._rows = self._rows or $made
        return self._rows * count
""",
    "asked for by hasattr": """
class Table:
    def rows(self, count):
        if not hasattr(self, "_rows"):
            self._rows = $made
        return self._rows * count
""",
    "tried": """
class Table:
    @property
    def all(self):
        try:
            return self._rows
        except AttributeError:
            self._rows = $made
        return self._rows

    def rows(self, count):
        return self.all * count
""",
    "returned early": """
class Table:
    __slots__ = ("__rows",)

    def __init__(self):
        self.__rows = None

    def rows(self, count):
        rows = self.__rows
        if rows is None:
            rows = self.__rows = $made
        return rows * count
""",
    "loaded by a method of its own": """
class Table:
    loaded = False

    def load(self):
        if self.loaded:
            return
        self._rows = $made
        self.loaded = True

    def rows(self, count):
        self.load()
        return self._rows * count
""",
    "under a lock": """
import threading

class Table:
    _rows = None
    lock = threading.Lock()

    def rows(self, count):
        if self._rows is None:
            with self.lock:
                if self._rows is None:
                    self._rows = $made
        return self._rows * count
""",
    "in a memo": """
class Table:
    def __init__(self):
        self._rows = {}

    def rows(self, count):
        if count not in self._rows:
            self._rows[count] = $made * count
        return self._rows[count]
""",
    "in an object inside of it": """
class Inner:
    _rows = None

    def rows(self):
        if self._rows is None:
            self._rows = $made
        return self._rows

class Table:
    def __init__(self):
        self.inner = [Inner()]

    def rows(self, count):
        return self.inner[0].rows() * count
""",
}
for _name, _text in _FORMS.items():
    for _made, _old, _new in (("[5, $edit]", "5", "6"), ("[int(open('n.txt').read())]", "5", "6")):
        rerun(
            f"{'a file read for ' if 'open' in _made else ''}what is {_name}",
            _old,
            _new,
            _text.replace("$made", _made) + "\nTABLE = Table()\n" + _STAGES,
            call=_CALL,
            reruns=("first", "second"),
            files={"n.txt": "$edit"},
        )
_TABLE = """
class Table:
    def __init__(self, size):
        self.size = size
        self._rows = None

    def rows(self, count):
        if self._rows is None:
            self._rows = [self.size]
        return self._rows * count
"""
rerun(
    "what an object is filled from",
    "5",
    "6",
    _TABLE + "\nTABLE = Table($edit)\n" + _STAGES,
    call=_CALL,
    reruns=("first", "second"),
)
keep(
    "whether an object was used before",
    "5",
    "TABLE.rows(3) and 5",
    _TABLE + "\nTABLE = Table(4)\n" + _STAGES + "\n@stage\ndef third(x):\n    return x\n",
    call="(first(1), second(1), third($edit))",
)
rerun(
    "what others assign where a method would fill",
    "5",
    "6",
    _TABLE
    + "\nTABLE = Table(4)\n"
    + _STAGES
    + "\ndef patched(x):\n    TABLE._rows = [$edit]\n    return second(x)\n",
    call="(first(1), patched(1))",
    reruns=("second",),
)
rerun(
    "what an object is filled from, changed after that",
    "5",
    "6",
    _TABLE
    + "\nTABLE = Table(4)\n"
    + _STAGES
    + "\ndef changed(x):\n    TABLE.size = $edit\n    TABLE._rows = None\n    return second(x)\n",
    call="(first(1), changed(1))",
    reruns=("second",),
)
rerun(
    "whether something was filled, asked by a stage",
    "x",
    "[x]",
    _TABLE
    + "\nTABLE = Table(4)\n"
    + "\n@stage\ndef first(x):\n    return TABLE.rows($edit and 1)\n"
    + "\n@stage\ndef second(x):\n    return TABLE._rows\n",
    call="(second(1), first(1))",
    reruns=("first",),
)
rerun(
    "a counter that a method keeps",
    "5",
    "6",
    """
    class Counter:
        def __init__(self):
            self.calls = 0

        def count(self):
            self.calls += 1
            return $edit

    COUNTER = Counter()

    @stage
    def work(x):
        return COUNTER.count() * x
""",
)
rerun(
    "a seed of a generator that is made once",
    "5",
    "6",
    """
    import random

    class Dice:
        _random = None

        def roll(self):
            if self._random is None:
                self._random = random.Random($edit)
            return self._random.random()

    DICE = Dice()

    @stage
    def work(x):
        return DICE.roll() * x
""",
)
rerun(
    "a lazy attribute of one's own making",
    "5",
    "6",
    """
    class lazy:
        def __init__(self, make):
            self.make = make

        def __set_name__(self, owner, name):
            self.name = name

        def __get__(self, owner, kind=None):
            made = owner.__dict__[self.name] = self.make(owner)
            return made

    class Table:
        @lazy
        def rows(self):
            return [$edit]

    TABLE = Table()

    @stage
    def first(x):
        return TABLE.rows[0] + x

    @stage
    def second(x):
        return TABLE.rows[0] * x
""",
    call="(first(1), second(1), first(2))",
    reruns=("first", "first", "second"),
)
