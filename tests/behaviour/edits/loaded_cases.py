"""What only data leads to: modules loaded by hand, named to a library, or looked for first."""

from __future__ import annotations

from cases import case, rerun

case(
    "module behind those that bodies load by hand",
    "2",
    "3",
    """
    import importlib, importlib.util, pathlib, pkgutil, runpy, sys

    # %%
    def load(path):
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    def find(name):
        return sys.modules[name] if name in sys.modules else importlib.import_module(name)

    # %%
    @stage
    def by_its_path(x):
        return load(pathlib.Path("jobs/plugin.py")).run(x)

    @stage
    def as_a_script(x):
        return runpy.run_path("jobs/plugin.py")["run"](x)

    @stage
    def in_its_package(x):
        return runpy.run_module("".join(["jobs.", "inside"]))["run"](x)

    @stage
    def as_a_text(x):
        names = {}
        exec(pathlib.Path("text.txt").read_text(), names)
        return names["run"](x)

    @stage
    def by_a_library(x):
        return pkgutil.resolve_name(":".join(["steps", "run"]))(x)

    @stage
    def looked_for_first(x):
        return find("".join(["more_", "steps"])).run(x)

    @stage
    def beside_it(x):
        names = {}
        exec("from common import " + "other as run", names)
        return names["run"](x)
    """,
    call="[f(3) for f in (by_its_path, as_a_script, in_its_package, as_a_text, by_a_library, "
    "looked_for_first, beside_it)]",
    reruns=(
        "by_its_path",
        "as_a_script",
        "in_its_package",
        "as_a_text",
        "by_a_library",
        "looked_for_first",
    ),
    files={
        "jobs/__init__.py": "",
        "jobs/plugin.py": "from common import used\ndef run(x): return used(x)",
        "jobs/inside.py": "from .deep import run",
        "jobs/deep.py": "import common\ndef run(x): return common.used(x)",
        "text.txt": "def run(x):\n    import common\n    return common.used(x)",
        "steps.py": "from common import used\ndef run(x): return used(x)",
        "more_steps.py": "from common import used\ndef run(x): return used(x)",
        "common.py": "def used(x): return x * $edit\ndef other(x): return x",
    },
)
case(
    "module of the user's that is called like one of Python's, and comes later",
    "",
    "def rgb_to_hsv(*colour): return colour",
    """
    import sys

    sys.path.insert(0, "mine" if "$edit" else "nothing")

    @stage
    def in_the_body(x):
        import colorsys
        return colorsys.rgb_to_hsv(x, 0, 0)
    """,
    call="in_the_body(1)",
    reruns=("in_the_body",),
    files={"mine/colorsys.py": "def rgb_to_hsv(*colour): return colour"},
)
rerun(
    "text of its own module",
    "one",
    "two",
    """
    __doc__ = "$edit"

    @stage
    def work(x):
        return __doc__
""",
)
rerun(
    "what wrapt puts around a function and a method",
    "2",
    "3",
    """
    import wrapt

    @wrapt.decorator
    def times(wrapped, instance, args, kwargs):
        return wrapped(*args, **kwargs) * $edit

    @times
    def more(x):
        return x + 1

    class Steps:
        @times
        def step(self, x):
            return x + len(getattr(self, "__annotations__", ())) + 1

    @stage
    def work(x):
        return more(x)

    @stage
    def by_a_method(x):
        return Steps().step(x)
""",
    call="work(3), by_a_method(3)",
    reruns=("work", "by_a_method"),
)
