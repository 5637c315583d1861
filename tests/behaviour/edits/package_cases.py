"""Packages that are upgraded, installed later or reached only by a value, a name or a plugin."""

from __future__ import annotations

from cases import move

_HEAD = """
    import os, sys

    sys.path.insert(0, os.path.abspath("site-packages"))
"""


def _installed(name: str, version: str, text: str, **more: str) -> dict[str, str]:
    """Return the files of a distribution that brings one module."""
    info = f"site-packages/{name}-{version}.dist-info"
    return {
        f"site-packages/{name}.py": text,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/RECORD": f"{name}.py,sha256=a,1\n",
        **{f"{info}/{file}.txt": content for file, content in more.items()},
    }


def _upgrade(name: str, body: str, text: str, call: str, *reruns: str, **more: str) -> None:
    before, after = (_installed("zqfoo", version, text, **more) for version in ("1.0", "2.0"))
    move(name, _HEAD + body, _HEAD + body, before=before, after=after, call=call, reruns=reruns)


_upgrade(
    "an upgraded package that only arguments bring",
    """
    import zqfoo

    class Holder:
        def __init__(self):
            self.held = zqfoo.Thing()

    class Own(zqfoo.Thing):
        pass

    @stage
    def instance(thing): return thing.size()
    @stage
    def nested(holders): return holders["a"].held.size()
    @stage
    def subclass(own): return own.size()
    @stage
    def function(apply): return apply(1)
    @stage
    def kind(cls): return cls().size()
    @stage
    def module(lib): return lib.one(1)
    @stage
    def member(level): return level.value
    @stage
    def text(name): return name.shout()
    @stage
    def several(names): return sorted(names)
    @stage
    def point(at): return at.x

    def work():
        return (
            instance(zqfoo.Thing()), nested({"a": Holder()}), subclass(Own()), function(zqfoo.one),
            kind(zqfoo.Thing), module(zqfoo), member(zqfoo.Level.LOW), text(zqfoo.Text("a")),
            several(zqfoo.Many("ab")), point(zqfoo.Point(1)),
        )
""",
    """
    import enum, typing
    class Thing:
        def size(self): return 1
    def one(x): return x
    class Level(enum.Enum):
        LOW = 1
    class Text(str):
        def shout(self): return self.upper()
    class Many(set): pass
    class Point(typing.NamedTuple):
        x: int
""",
    "work()",
    *("instance", "nested", "subclass", "function", "kind", "module", "member", "text"),
    *("several", "point"),
)
_upgrade(
    "an upgraded package that containers and names lead to",
    """
    import importlib
    import zqfoo

    WAYS = {"a": zqfoo.one, "b": len}
    MODULES = {"a": zqfoo}
    class Box:
        things = [zqfoo.Thing()]

    @stage
    def by_key(x): return WAYS["a"](x)
    @stage
    def by_module(x): return MODULES["a"].one(x)
    @stage
    def by_class(x): return Box.things[0].size()
    @stage
    def by_name(x, name): return importlib.import_module("zq" + name).one(x)
    @stage
    def not_at_all(x): return x

    def unreached(): return zqfoo.one(1)
    def work(x): return by_key(x), by_module(x), by_class(x), by_name(x, "foo"), not_at_all(x)
""",
    "def one(x): return x\nclass Thing:\n    def size(self): return 1\n",
    "work(3)",
    *("by_key", "by_module", "by_class", "by_name"),
)
_upgrade(
    "an upgraded package that is asked for its version, a plugin and its data",
    """
    import pkgutil
    from importlib import metadata

    @stage
    def version(x): return metadata.version("zqfoo")
    @stage
    def plugins(x): return [one.load()(x) for one in metadata.entry_points(group="zq.plugins")]
    @stage
    def data(x): return pkgutil.get_data("zqfoo", "zqfoo.py")
    @stage
    def others(x): return list(metadata.entry_points(group="zq.others"))

    def work(x): return version(x), plugins(x), data(x), others(x)
""",
    "def one(x): return x\n",
    "work(3)",
    *("version", "plugins", "data"),
    entry_points="[zq.plugins]\none = zqfoo:one\n",
)
_LATER = """
    import importlib, importlib.util

    @stage
    def in_body(x):
        try:
            import zqfoo
        except ImportError:
            return "slow"
        return zqfoo.one("fast")
    @stage
    def found(x): return importlib.util.find_spec("zqfoo") is not None
    @stage
    def by_name(x, name):
        try:
            return importlib.import_module("zq" + name).one("fast")
        except ImportError:
            return "slow"
    @stage
    def other(x): return importlib.util.find_spec("zqother") is not None

    def work(x): return in_body(x), found(x), by_name(x, "foo"), other(x)
"""
for _who, _files in {
    "package": _installed("zqfoo", "1.0", "def one(x): return x\n"),
    "module of the user's": {"zqfoo.py": "def one(x): return x\n"},
}.items():
    move(
        f"a {_who} that comes later",
        _HEAD + _LATER,
        _HEAD + _LATER,
        after=_files,
        call="work(3)",
        reruns=("in_body", "found", "by_name"),
    )
_PLUGINS = """
    from importlib.metadata import entry_points

    @stage
    def work(x): return sorted(one.load()(x) for one in entry_points(group="zq.plugins"))
"""
_ONE = _installed(
    "zqone", "1.0", "def run(x): return x\n", entry_points="[zq.plugins]\none = zqone:run\n"
)
_TWO = _installed(
    "zqtwo", "1.0", "def run(x): return -x\n", entry_points="[zq.plugins]\ntwo = zqtwo:run\n"
)
move(
    "a plugin that comes later",
    _HEAD + _PLUGINS,
    _HEAD + _PLUGINS,
    before=_ONE,
    after=_ONE | _TWO,
    reruns=("work",),
)
_PASSED_ON = """
    import zqfoo

    @stage
    def work(x): return zqfoo.one(x)
"""
_FOO = _installed("zqfoo", "1.0", "from zqcore import one\n")
move(
    "an upgraded package behind another one's name",
    _HEAD + _PASSED_ON,
    _HEAD + _PASSED_ON,
    before=_FOO | _installed("zqcore", "1.0", "def one(x): return x\n"),
    after=_FOO | _installed("zqcore", "2.0", "def one(x): return x\n"),
    reruns=("work",),
)
