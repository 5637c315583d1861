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
