"""A project of small stages, edited in one place at a time and loaded by a fresh process."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

JOB = """
import functools
import os
from dataclasses import dataclass

import dep
import pkg.sub.leaf
import tools
from dep import answer
from tools import borrowed
from tools import renamed as alias

m = tools
LIMIT = 10
TABLE = {"a": 1}
STEPS = {"double": lambda v: v * 2, "half": lambda v: v / 2}
partial = functools.partial(tools.scaled, factor=3)

def helper(x):
    return deeper(x) + 1

def deeper(x):
    return x * 7

def with_default(x, step=5):
    return x + step

def with_keyword(x, *, scale=6):
    return x * scale

def ping(n):
    return pong(n - 1) if n else 0

def pong(n):
    return ping(n - 1) if n else 1

def make(closed):
    def stage(x):
        return x + closed
    return stage

def decorate(fn):
    @functools.wraps(fn)
    def wrapper(*args):
        return fn(*args) + 100
    return wrapper

@decorate
def decorated(x):
    return x - 1

class Base:
    RATE = 4

    def inherited(self):
        return 30

class Parser(Base):
    LEVEL = 8

    def parse(self, x):
        return x + 50

    @property
    def width(self):
        return 60

    @staticmethod
    def fixed():
        return 70

    @classmethod
    def build(cls):
        return cls()

@dataclass
class Settings:
    size: int = 80

PARSER = Parser()

def stage_helper(x):
    return helper(x)

def stage_imported(x):
    return borrowed(x)

def stage_attribute(x):
    return tools.reached(x)

def stage_alias(x):
    return alias(x)

def stage_module_alias(x):
    return m.FACTOR * x

def stage_local_alias(x):
    t = tools
    return t.by_local(x)

def stage_local_import(x):
    from tools import lazily
    import late
    return lazily(x) + late.one(x)

def stage_package(x):
    return pkg.sub.leaf.grow(x)

stage_closure = make(40)

def stage_constant(x):
    return x + LIMIT

def stage_table(x):
    return TABLE[x]

def stage_default(x):
    return with_default(x)

def stage_keyword(x):
    return with_keyword(x)

def stage_own_default(x, rows=9):
    return x

def stage_recursive(x):
    return ping(x)

def stage_decorated(x):
    return decorated(x)

def stage_class(x):
    return Parser().parse(x)

def stage_instance(x):
    return PARSER.parse(x)

def stage_dataclass(x):
    return Settings()

def stage_partial(x):
    return partial(x)

def stage_steps(x):
    return STEPS["double"](x)

def stage_nested(x):
    def inner(y):
        return [y + 90 for _ in range(3)]
    return inner(x)

def stage_environment(x):
    return os.environ["STAGE_A"], os.environ.get("STAGE_B"), os.getenv("STAGE_C", "c")

def stage_dependency(x):
    return dep.answer(x)

def stage_dependency_function(x):
    return answer(x)

def stage_unrelated(x):
    return x

if __name__ == "__main__":
    import json
    from stagecache.fingerprint.code import fingerprint_code
    found = {n[6:]: fingerprint_code(f).hex() for n, f in globals().items() if n[:6] == "stage_"}
    print(json.dumps(found))
"""

TOOLS = '''
"""Tools."""
FACTOR = 11

def borrowed(x):
    return x + 12

def reached(x):
    return _beyond(x) + 13

def _beyond(x):
    return x + 14

def renamed(x):
    return x + 15

def by_local(x):
    return x + 16

def lazily(x):
    return x + 17

def scaled(x, factor):
    return x * factor * 18

def never_reached(x):
    return x + 19
'''

FILES = {
    "job.py": JOB,
    "tools.py": TOOLS,
    "late.py": "def one(x):\n    return x + 20\n",
    "pkg/__init__.py": "",
    "pkg/sub/__init__.py": "",
    "pkg/sub/leaf.py": "def grow(x):\n    return x + 21\n",
    "site-packages/dep.py": "def answer(x):\n    return 42\n",
    "site-packages/dep-1.0.dist-info/RECORD": "dep.py,sha256=x,1\n",
}


class Project:
    def __init__(self, folder, files):
        self.folder = folder
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def edit(self, name, old, new):
        path = self.folder / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def rename(self, name, old, new):
        path = self.folder / name
        path.write_text(re.sub(rf"\b{old}\b", new, path.read_text()))

    def digests(self, *, script="job.py", **environment):
        paths = [ROOT, self.folder / "site-packages", *(p for p in sys.path if p)]
        done = subprocess.run(
            [sys.executable, "-B", str(self.folder / script)],
            capture_output=True,
            text=True,
            check=False,
            env={
                "PYTHONPATH": os.pathsep.join(map(str, paths)),
                "STAGE_A": "a",
                "STAGE_B": "b",
                **environment,
            },
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture(scope="module")
def before(tmp_path_factory):
    return Project(tmp_path_factory.mktemp("before"), FILES).digests()


def changed(before, after):
    assert before.keys() == after.keys()
    return {name for name in before if before[name] != after[name]}


EDITS = {
    "a helper's body": ("job.py", "deeper(x) + 1", "deeper(x) + 2", {"helper"}),
    "a helper's helper": ("job.py", "x * 7", "x * 8", {"helper"}),
    "a helper imported by name": ("tools.py", "x + 12", "x + 22", {"imported"}),
    "a helper reached through its module": ("tools.py", "(x) + 13", "(x) + 23", {"attribute"}),
    "a helper's helper in another module": ("tools.py", "x + 14", "x + 24", {"attribute"}),
    "a helper imported under another name": ("tools.py", "x + 15", "x + 25", {"alias"}),
    "a constant by an alias of its module": ("tools.py", "= 11", "= 12", {"module_alias"}),
    "a helper by a local alias": ("tools.py", "x + 16", "x + 26", {"local_alias"}),
    "a helper imported in the function": ("tools.py", "x + 17", "x + 27", {"local_import"}),
    "a module imported in the function": ("late.py", "x + 20", "x + 30", {"local_import"}),
    "a helper in a package's package": ("pkg/sub/leaf.py", "21", "31", {"package"}),
    "a closure's value": ("job.py", "make(40)", "make(41)", {"closure"}),
    "a closure's code": ("job.py", "x + closed", "closed + x", {"closure"}),
    "a global constant": ("job.py", "LIMIT = 10", "LIMIT = 10.0", {"constant"}),
    "a global dict": ("job.py", '{"a": 1}', '{"a": 2}', {"table"}),
    "a helper's default": ("job.py", "step=5", "step=6", {"default"}),
    "a helper's keyword default": ("job.py", "scale=6", "scale=7", {"keyword"}),
    "one of two that call each other": ("job.py", "if n else 1", "if n else 2", {"recursive"}),
    "a decorator's wrapper": ("job.py", "+ 100", "+ 101", {"decorated"}),
    "a decorated function": ("job.py", "x - 1\n", "x - 2\n", {"decorated"}),
    "a method": ("job.py", "x + 50", "x + 51", {"class", "instance"}),
    "a base class's method": ("job.py", "return 30", "return 31", {"class", "instance"}),
    "a class attribute": ("job.py", "LEVEL = 8", "LEVEL = 9", {"class", "instance"}),
    "a base class's attribute": ("job.py", "RATE = 4", "RATE = 5", {"class", "instance"}),
    "a property": ("job.py", "return 60", "return 61", {"class", "instance"}),
    "a static method": ("job.py", "return 70", "return 71", {"class", "instance"}),
    "a class method": ("job.py", "return cls()", "return cls", {"class", "instance"}),
    "a base class": ("job.py", "Parser(Base)", "Parser", {"class", "instance"}),
    "a dataclass's default": ("job.py", "int = 80", "int = 81", {"dataclass"}),
    "a dataclass's field": ("job.py", "size: int", "length: int", {"dataclass"}),
    "a dataclass's options": (
        "job.py",
        "@dataclass\n",
        "@dataclass(frozen=True)\n",
        {"dataclass"},
    ),
    "a partial's argument": ("job.py", "factor=3", "factor=4", {"partial"}),
    "a partial's function": ("tools.py", "factor * 18", "factor * 19", {"partial"}),
    "a lambda in a dict": ("job.py", "v * 2", "v * 3", {"steps"}),
    "a nested function's constant": ("job.py", "y + 90", "y + 91", {"nested"}),
    "the stage's argument names": (
        "job.py",
        "stage_unrelated(x)",
        "stage_unrelated(x, y)",
        {"unrelated"},
    ),
}


@pytest.mark.parametrize("kind", EDITS)
def test_an_edit_changes_exactly_the_stages_that_reach_it(tmp_path, before, kind):
    name, old, new, expected = EDITS[kind]
    project = Project(tmp_path, FILES)
    project.edit(name, old, new)
    assert changed(before, project.digests()) == expected


@pytest.mark.parametrize("variable", ["STAGE_A", "STAGE_B", "STAGE_C"])
def test_an_environment_variable_that_is_read_by_a_constant_name_counts(tmp_path, before, variable):
    after = Project(tmp_path, FILES).digests(**{variable: "other"})
    assert changed(before, after) == {"environment"}


def test_the_version_of_a_package_counts(tmp_path, before):
    project = Project(tmp_path, FILES)
    site = project.folder / "site-packages"
    (site / "dep-1.0.dist-info").rename(site / "dep-1.1.dist-info")
    assert changed(before, project.digests()) == {"dependency", "dependency_function"}


def test_the_code_of_a_package_does_not_count(tmp_path, before):
    project = Project(tmp_path, FILES)
    project.edit("site-packages/dep.py", "42", "43")
    assert changed(before, project.digests()) == set()


def test_what_means_the_same_changes_nothing(tmp_path, before):
    project = Project(tmp_path, FILES)
    project.edit("job.py", "def helper(x):\n", 'def helper(x):\n    "Help."\n\n    # Much.\n')
    project.edit("job.py", "return deeper(x) + 1", "return (\n        deeper(\n x)\n   + 1)")
    project.edit("job.py", "def deeper(x):", "def deeper(x: 'a number') -> 'another':")
    project.edit("job.py", "def inner(y):", "def inner(y: int) -> list:")
    project.edit("job.py", "for _ in range(3)", "for other in range(3)")
    project.edit("job.py", "t = tools\n    return t.by", "mod = tools\n    return mod.by")
    project.edit("job.py", "class Parser(Base):\n", 'class Parser(Base):\n    """Parses."""\n')
    project.edit("job.py", "step=5", "step: int = 5")
    project.edit("job.py", "rows=9", "rows=10")
    project.edit("tools.py", "x + 19", "x + 29")
    project.edit("tools.py", "FACTOR = 11\n", "# The factor.\nFACTOR: int = 11\nUNUSED = FACTOR\n")
    assert changed(before, project.digests(PYTHONHASHSEED="4")) == set()


def test_renaming_a_helper_or_its_module_changes_nothing(tmp_path, before):
    project = Project(tmp_path, FILES)
    for name in ("deeper", "ping", "Parser", "LIMIT", "closed", "reached", "decorate", "inner"):
        project.rename("job.py", name, "new_" + name)
    project.rename("tools.py", "reached", "new_reached")
    project.rename("job.py", "tools", "gear")
    (tmp_path / "tools.py").rename(tmp_path / "gear.py")
    after = project.digests()
    # An import statement in a function names what it asks for.
    assert changed(before, after) == {"local_import"}


def test_a_moved_function_stays_the_same(tmp_path, before):
    project = Project(tmp_path, FILES)
    body = "def helper(x):\n    return deeper(x) + 1\n"
    project.edit("job.py", body, "")
    project.edit("job.py", "def stage_unrelated(x):\n    return x\n", body)
    project.edit(
        "job.py", "\nclass Base:", "\ndef stage_unrelated(x):\n    return x\n\nclass Base:"
    )
    assert changed(before, project.digests()) == set()


def test_a_script_and_an_imported_module_agree(tmp_path, before):
    project = Project(tmp_path, FILES)
    script, main = JOB.split('if __name__ == "__main__":\n')
    (tmp_path / "stages.py").write_text(script)
    main = main.replace("globals()", "vars(stages)").replace("\n    ", "\n").strip()
    (tmp_path / "run.py").write_text(f"import stages\n{main}\n")
    assert changed(before, project.digests(script="run.py")) == set()


def test_cells_of_a_notebook_and_a_script_agree(tmp_path, before):
    project = Project(tmp_path, FILES)
    script, main = JOB.split('if __name__ == "__main__":\n')
    cells = re.split(r"\n\n(?=\S)", script)
    (tmp_path / "cells.json").write_text(json.dumps(cells))
    main = main.replace("\n    ", "\n").strip()
    (tmp_path / "run.py").write_text(
        "import json, pathlib\n"
        "for k, cell in enumerate(json.loads(pathlib.Path(__file__).with_name('cells.json')"
        ".read_text())):\n"
        "    exec(compile(cell, f'/tmp/ipykernel_1/{k}.py', 'exec'), globals())\n"
        f"{main}\n"
    )
    assert changed(before, project.digests(script="run.py")) == set()
