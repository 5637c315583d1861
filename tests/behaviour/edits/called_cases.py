"""How classes are called, and in which order their names stand: that counts where code asks."""

from __future__ import annotations

from cases import case, keep, rerun

_CLASSES = """
    import dataclasses, enum
    from typing import NamedTuple

    # %%
    class $edit(enum.Enum):
        LOW = 1

    Level = $edit

    # %%
    class $edit(NamedTuple):
        x: int

    Point = $edit

    # %%
    class $edit(ValueError):
        pass

    Wrong = $edit

    # %%
    @dataclasses.dataclass
    class $edit:
        x: int

    Row = $edit
"""
case(
    "name of a class in the texts of its objects",
    "First",
    "Second",
    _CLASSES
    + """
    # %%
    @stage
    def of_a_member(x):
        return str(Level.LOW)

    @stage
    def of_a_tuple(x):
        return f"{Point(x)}"

    @stage
    def of_an_error(x):
        return repr(Wrong(x))

    @stage
    def of_a_row(x):
        return "%s" % Row(x)

    @stage
    def none_of_an_error(x):
        return str(Wrong(x))

    @stage
    def none_at_all(x):
        return Level.LOW.value, Point(x).x, Row(x).x
""",
    call="of_a_member(1), of_a_tuple(1), of_an_error(1), of_a_row(1), "
    "none_of_an_error(1), none_at_all(1)",
    reruns=("of_a_member", "of_a_tuple", "of_an_error", "of_a_row"),
)
case(
    "order of the methods of a class",
    "one = lambda self, x: x + 1\n    two = lambda self, x: x * 2",
    "two = lambda self, x: x * 2\n    one = lambda self, x: x + 1",
    """
    class Base:
        def run(self, x):
            for name, step in type(self).__dict__.items():
                if not name.startswith("__"):
                    x = step(self, x)
            return x

    # %%
    class Job(Base):
        $edit

    # %%
    class Other:
        $edit

    # %%
    @stage
    def work(x):
        return Job().run(x)

    @stage
    def by_name(x):
        return Other().one(x)
""",
    call="work(3), by_name(3)",
)
keep(
    "class is final, and so is a method",
    "",
    "@typing.final",
    """
    import typing

    # %%
    $edit
    class Job:
        $edit
        def run(self, x):
            return x

    @stage
    def work(x):
        return Job().run(x)
""",
)
rerun(
    "who listens to a signal, and who is a plugin",
    "2",
    "3",
    """
    import blinker, pluggy

    # %%
    changed = blinker.Signal()
    hooks = pluggy.PluginManager("steps")

    class Steps:
        @pluggy.HookspecMarker("steps")
        def step(self, x): ...

    class Doubling:
        @pluggy.HookimplMarker("steps")
        def step(self, x):
            return x * $edit

    hooks.add_hookspecs(Steps)
    hooks.register(Doubling())

    @changed.connect
    def listen(sender, x):
        return x * $edit

    @stage
    def by_a_signal(x):
        return [value for _, value in changed.send(None, x=x)]

    @stage
    def by_a_plugin(x):
        return hooks.hook.step(x=x)
""",
    call="by_a_signal(3), by_a_plugin(3)",
    reruns=("by_a_signal", "by_a_plugin"),
)
rerun(
    "codec of one's own",
    "2",
    "3",
    """
    import codecs

    # %%
    def find(name):
        if name == "loud":
            return codecs.CodecInfo(
                lambda text, errors="strict": (text.upper().encode() * $edit, len(text)),
                lambda data, errors="strict": (bytes(data).decode(), len(data)),
                name="loud",
            )

    codecs.register(find)

    @stage
    def work(x):
        return "a".encode("loud")

    @stage
    def with_another(x):
        return "a".encode("utf-8")
""",
    call="work(3), with_another(3)",
)
_SETTINGS = """
class Settings:
    level = 1
    limits = {}

    @classmethod
    def use(cls, level):
        cls.level = level

    @staticmethod
    def limit(name, value):
        Settings.limits[name] = value

    @classmethod
    def current(cls):
        return cls.level

class Kept:
    memo = {}

    @classmethod
    def _keep(cls, key):
        cls.memo[key] = key * 2

    @classmethod
    def get(cls, key):
        if key not in cls.memo:
            cls._keep(key)
        return cls.memo[key]
"""
rerun(
    "what a program sets in a class of its own by the methods of that",
    "2",
    "3",
    """
    from conf import Kept, Settings

    # %%
    Settings.use(level=$edit)
    Settings.limit("x", $edit)
    kept = Kept.get($edit)

    # %%
    @stage
    def by_its_method(x):
        return Settings.current() * x

    @stage
    def by_its_items(x):
        return Settings.limits["x"] * x

    @stage
    def by_a_memo(x):
        return Kept.get(x)
""",
    call="by_its_method(3), by_its_items(3), by_a_memo(3)",
    reruns=("by_its_method", "by_its_items"),
    conf=_SETTINGS,
)
rerun(
    "what asks classes for those that are made of them, and for their type arguments",
    "int",
    "float",
    """
    import typing

    # %%
    T = typing.TypeVar("T")

    class Base(typing.Generic[T]):
        @classmethod
        def all(cls):
            for one in cls.__subclasses__():
                yield one
                yield from one.all()

        def made(self, x):
            return typing.get_args(type(self).__orig_bases__[0])[0](x)

    class First(Base[$edit]):
        kind = $edit

    # %%
    @stage
    def below(x):
        return [one.kind(x) for one in Base.all()]

    @stage
    def of_its_type(x):
        return First().made(x)
""",
    call="below(3), of_its_type(3)",
    reruns=("below", "of_its_type"),
)
rerun(
    "order of annotations, and a bus of events",
    "one: int\n    two: int",
    "two: int\n    one: int",
    """
    import weakref

    # %%
    class Row:
        $edit

    class Bus:
        def __init__(self):
            self.subscribed = []

        def on(self, function):
            self.subscribed.append(weakref.ref(function))
            return function

        def emit(self, x):
            return [one()(x) for one in self.subscribed]

    bus = Bus()

    @bus.on
    def listen(x):
        return list(Row.__annotations__)[0], x

    # %%
    @stage
    def columns(x):
        return list(Row.__annotations__)

    @stage
    def heard(x):
        return bus.emit(x)
""",
    call="columns(3), heard(3)",
    reruns=("columns", "heard"),
)
keep(
    "name of a class that its texts do not tell",
    "First",
    "Second",
    """
    import enum, logging

    # %%
    class $edit(enum.StrEnum):
        LOW = "low"

    Level = $edit

    # %%
    class $edit(ValueError):
        pass

    Wrong = $edit

    # %%
    class $edit:
        def __str__(self):
            return "a text"

    Row = $edit

    # %%
    def more(x):
        logging.getLogger(Row.__module__).debug("more")
        return x

    @stage
    def work(x):
        if x < 0:
            raise Wrong(f"bad: {x}")
        return str(Level.LOW), f"{Row()}", more(x)
""",
)
