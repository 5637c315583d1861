"""What programs set in libraries counts as it is in force, whatever their texts say by now."""

import importlib
import subprocess
import sys
import threading
import types

import pytest

from stagecache import model
from stagecache.fingerprint.code import describe_code, fingerprint_code
from stagecache.fingerprint.code.meanings import Names
from stagecache.fingerprint.code.programs import meet, state
from stagecache.fingerprint.code.setters import may_set
from stagecache.fingerprint.code.statements import read_program

USE = "\nimport decimal\ndef stage(x):\n    return decimal.Decimal(x) / 7\n"


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Return what writes a module of the user's and imports it."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    made = []

    def load(name, text):
        (tmp_path / f"{name}.py").write_text(text)
        made.append(name)
        importlib.invalidate_caches()
        return importlib.import_module(name)

    yield load
    for name in made:
        sys.modules.pop(name, None)


def run(tmp_path, text, *, name="program.py"):
    (tmp_path / name).write_text(text)
    done = subprocess.run(
        [sys.executable, name], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert not done.returncode, done.stderr
    return done.stdout.split()


def test_a_text_that_is_edited_after_it_was_imported_changes_nothing(load, tmp_path):
    stage = load("zq_uses", "import zq_unrelated" * 0 + USE).stage
    load("zq_sets", "import decimal\ncontext = decimal.getcontext().copy\n")
    plain = fingerprint_code(stage)
    load("zq_sets_more", "import decimal\ndecimal.getcontext().prec = 28\n")
    meet()
    (tmp_path / "zq_sets_more.py").write_text("import decimal\ndecimal.getcontext().prec = 6\n")
    first = fingerprint_code(stage)
    assert first != plain
    (tmp_path / "zq_sets_more.py").write_text("import decimal\ndecimal.getcontext().prec = 7\n")
    importlib.invalidate_caches()
    assert fingerprint_code(stage) == first
    [text] = [p.text for p in describe_code(stage).parts if p.name.startswith("setting")]
    assert text == "decimal.getcontext().prec = 28"


def test_a_module_that_is_loaded_again_counts_as_it_is_then(load, tmp_path):
    stage = load("zq_uses", USE).stage
    module = load("zq_sets", "import decimal\ndecimal.getcontext().prec = 28\n")
    first = fingerprint_code(stage)
    (tmp_path / "zq_sets.py").write_text(
        "import decimal\n\ndecimal.getcontext().prec = 14 * 2 + 0\n"
    )
    importlib.reload(module)
    assert fingerprint_code(stage) == first
    (tmp_path / "zq_sets.py").write_text("import decimal\n\n\ndecimal.getcontext().prec = 27 + 2\n")
    importlib.reload(module)
    try:
        assert fingerprint_code(stage) != first
    finally:
        import decimal

        decimal.getcontext().prec = 28


def test_a_setting_that_comes_later_counts_from_then_on(load):
    stage = load("zq_uses", USE).stage
    plain = fingerprint_code(stage)
    load("zq_sets", "import decimal\ndecimal.getcontext().prec = 28\n")
    assert fingerprint_code(stage) != plain


def test_a_script_that_is_edited_while_it_runs_is_not_taken_for_what_it_is_now(tmp_path):
    program = (
        "import decimal, pathlib, sys, time\n"
        "decimal.getcontext().prec = {}\n"
        "import stagecache\n"
        "from stagecache.fingerprint.code import fingerprint_code\n"
        "import stagecache.fingerprint.code.programs\n"
        "time.sleep(0.02)\n"
        "text = pathlib.Path(sys.argv[0]).read_text()\n"
        "pathlib.Path(sys.argv[0]).write_text(text.replace('prec = 5', 'prec = 6'))\n"
        "def stage(x):\n    return decimal.Decimal(x) / 7\n"
        "print(fingerprint_code(stage).hex())\n"
    )
    [edited] = run(tmp_path, program.format(5))
    [other] = run(tmp_path, program.format(6))
    assert edited != other


def test_cells_that_are_run_again_count_as_they_were_run_last(tmp_path):
    program = (
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "shell = InteractiveShell.instance(colors='nocolor', history_length=0)\n"
        "shell.history_manager.enabled = False\n"
        "def run(*cells):\n"
        "    for cell in cells:\n"
        "        shell.run_cell(cell, store_history=True).raise_error()\n"
        "run('import decimal\\nfrom stagecache.fingerprint.code import fingerprint_code',\n"
        "    'def stage(x): return decimal.Decimal(x) / 7')\n"
        "for digits in (5, 6, 5, 6):\n"
        "    run(f'decimal.getcontext().prec = {digits}', 'print(fingerprint_code(stage).hex())')\n"
        "run('context = decimal.getcontext()',\n"
        "    'context.prec = 5; print(fingerprint_code(stage).hex())')\n"
    )
    five, six, again, other, last = run(tmp_path, program)
    assert five == again == last != six == other


def test_other_threads_see_what_the_program_has_set(tmp_path):
    program = (
        "import decimal, threading\n"
        "from stagecache.fingerprint.code import fingerprint_code\n"
        "def stage(x): return decimal.Decimal(x) / 7\n"
        "def show(): print(fingerprint_code(stage).hex())\n"
        "def main():\n"
        "    decimal.getcontext().prec = 5\n"
        "    show()\n"
        "    thread = threading.Thread(target=show)\n"
        "    thread.start()\n"
        "    thread.join()\n"
        "    decimal.getcontext().prec = 6\n"
        "    show()\n"
        "main()\n"
    )
    here, there, after = run(tmp_path, program)
    assert here == there != after


def test_a_lazy_module_is_not_loaded_by_that(load, tmp_path):
    stage = load("zq_uses", USE).stage
    (tmp_path / "zq_lazy.py").write_text("raise AssertionError('loaded')\n")
    importlib.invalidate_caches()
    spec = importlib.util.find_spec("zq_lazy")
    spec.loader = importlib.util.LazyLoader(spec.loader)
    module = importlib.util.module_from_spec(spec)
    sys.modules["zq_lazy"] = module
    try:
        spec.loader.exec_module(module)
        fingerprint_code(stage)
        assert type(module) is not type(sys)
    finally:
        del sys.modules["zq_lazy"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("import numpy as np\nnp.seterr(all='raise')", ["numpy.seterr"]),
        ("from numpy import seterr as s\nold = s(all='raise')", ["numpy.seterr"]),
        ("import numpy as np\nnp.setdiff1d([1], [2])\nnp.append([1], 2)", []),
        ("import pandas as pd\npd.read_csv('x').set_index('a')\npd.options.mode.copy = 1",
         ["pandas.options.mode.copy"]),
        ("import torch\ntorch.backends.cudnn.deterministic = True\ntorch.manual_seed(7)",
         ["torch.backends.cudnn.deterministic", "torch.manual_seed"]),
        ("import matplotlib.pyplot as plt\nplt.style.use('x')\nplt.rc('font', size=2)\nplt.show()",
         ["matplotlib.pyplot.style.use", "matplotlib.pyplot.rc"]),
        ("import jax\njax.config.update('jax_enable_x64', True)", ["jax.config.update"]),
        ("import nltk\nnltk.data.path.append('x')", ["nltk.data.path.append"]),
        ("import os, sys\nsys.path.append('x')\nos.environ['X'] = '1'\nsys.stdout = None", []),
        ("import polars as pl\npl.Config(tbl_rows=3)\npl.Config.set_tbl_cols(2)",
         ["polars.Config", "polars.Config.set_tbl_cols"]),
        ("import gettext\ngettext.translation('x').install()", ["gettext.translation.install"]),
        ("try:\n    import locale\nexcept ImportError:\n    pass\nelse:\n"
         "    locale.setlocale(locale.LC_ALL, '')", ["locale.setlocale"]),
        ("import sys\nmatch sys.argv:\n    case []:\n        sys.setrecursionlimit(5)",
         ["sys.setrecursionlimit"]),
        ("import yaml\nyaml.add_constructor('!x', lambda a, b: 1)", ["yaml.add_constructor"]),
        ("import lib\n@lib.show.register\ndef _(x: int): pass", ["lib.show.register"]),
        ("import random\nclass A:\n    random.seed(5)\ndef f(): return random.seed(6)", []),
        ("import stagecache\nstagecache.configure(directory='x')", []),
    ],
)  # fmt: skip
def test_which_statements_set_something(monkeypatch, text, found):
    for name in ("torch", "jax", "nltk", "lib"):
        library = types.ModuleType(name)
        library.__file__ = f"/usr/lib/site-packages/{name}.py"
        monkeypatch.setitem(sys.modules, name, library)
    program = read_program(text, Names())
    settings = [item.library for item in program.items if hasattr(item, "library")]
    assert settings == found
    assert may_set(text) or not found


@pytest.mark.parametrize(
    ("text", "may"),
    [
        ("import decimal\ndecimal.getcontext().prec = 5", True),
        ("import decimal\ncontext = decimal.getcontext(); context.prec = 5", True),
        ("from matplotlib import rcParams\nrcParams['a'] = 1", True),
        ("from matplotlib import (\n    rcParams,\n)\nrcParams['a'] = 1", True),
        ("import numpy as np\nnp.random.seed(\n    5\n)", True),
        ("import numpy as np\nwith np.errstate(all='ignore'):\n    f()", True),
        ("import decimal\nwith decimal.localcontext() as c:\n    c.prec = 5", True),
        ("import lib\n@lib.show.register\ndef f(): pass", True),
        ("import lib\nlib.data.path.append(1)", True),
        ("import pandas as pd\npd.options.x += 1", True),
        ("if 1: import pandas as pd; pd.options.x = 1", True),
        ("from decimal import *\ngetcontext().prec = 5", True),
        ("x = 'import y'; import numpy as np\nnp.seterr(all='raise')", True),
        ("import lib as l\nlist = l.made; list.x = 1", True),
        ("import lib\nwith lib.opened(1) as one:\n    other = one.more\nother[1] = 2", True),
        ("import lib\nlib.shown (1).set_level  (2)", True),
        ("import lib\nwith lib.errstate  as kept: pass", True),
        ("import lib\nmylib = 1; mylib.x = 2; x_lib.set_a(1)", False),
        ("import lib\nprint(lib.x == 1, lib.append, lib.readd(1), lib.asset(2))", False),
        ("import lib\nx = set([1]); y = [x.append(1)]; z['a'] = 1; x.y = 5; a.set_b('c')", False),
        (
            "import lib\nclass A:\n    def f(self):\n        self.x = 1\n        self.set_x(1)",
            False,
        ),
    ],
)
def test_a_text_that_may_set_something_is_read(text, may):
    assert may_set(text) is may


def test_what_a_module_of_the_user_hands_on_is_the_library_s(load):
    load("zq_common", "import numpy as np\nfrom decimal import getcontext\ndef set_all(x): pass\n")
    text = "from zq_common import np, getcontext, set_all\nnp.seterr(all='raise')\n"
    program = read_program(text + "getcontext().prec = 5\nset_all(5)\n", Names())
    assert [getattr(item, "library", None) for item in program.items] == [
        "numpy.seterr", "decimal.getcontext.prec", None
    ]  # fmt: skip
    star = read_program("from decimal import *\ngetcontext().prec = 5", Names())
    assert [item.library for item in star.items] == ["decimal.getcontext.prec"]


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("import numpy\nnumpy.random.seed(7)\n", False),
        ("import decimal\ndecimal.getcontext()\n", True),
    ],
)
def test_what_other_libraries_need_is_felt_through_them(load, text, same):
    stage = load("zq_uses", "import pandas\ndef stage(x):\n    return pandas.Series(x)\n").stage
    plain = fingerprint_code(stage)
    load("zq_sets", text)
    assert (fingerprint_code(stage) == plain) is same


class Memo:
    def __init__(self):
        self.kept = {}

    def recall(self, kind, key):
        return self.kept.get((kind, key))

    def remember(self, kind, key, value):
        self.kept[kind, key] = value


def test_that_a_text_sets_nothing_is_remembered_unless_others_may_have_a_say(load):
    memo = Memo()
    token = model.memo.set(memo)
    try:
        stage = load("zq_uses", USE).stage
        handed = "from zq_common import getcontext\ngetcontext().prec = 28\n"
        load("zq_common", "def getcontext(): return lambda: 0\n")
        load("zq_handed", handed)
        plain = fingerprint_code(stage)
        for name in ("zq_common", "zq_handed"):
            del sys.modules[name]
        load("zq_common", "from decimal import getcontext as getcontext\n\n\n")
        load("zq_handed", handed)
        assert fingerprint_code(stage) != plain
        assert [kind for kind, _ in memo.kept].count("no settings") >= 1
    finally:
        model.memo.reset(token)


def test_threads_that_ask_at_once_get_one_answer(load):
    stages = [load(f"zq_uses_{k}", USE).stage for k in range(4)]
    load("zq_sets", "import decimal\ndecimal.getcontext().prec = 28\n")
    start, found = threading.Barrier(4), []

    def ask(stage):
        start.wait()
        found.append(fingerprint_code(stage))

    threads = [threading.Thread(target=ask, args=(stage,)) for stage in stages]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len(set(found)) == 1


def test_a_module_that_another_thread_imports_at_that_very_moment_fails_no_job(monkeypatch):
    class Modules(dict):
        newcomers = 0

        def __reversed__(self):
            names = super().__reversed__()
            if self.newcomers < 3:  # between the two steps of asking for the newest
                self.newcomers += 1
                self[f"zq_newcomer_{self.newcomers}"] = types.ModuleType("zq_newcomer")
            return names

    modules = Modules(sys.modules)
    monkeypatch.setattr(sys, "modules", modules)
    assert state()[:2] == (len(modules), modules["zq_newcomer_3"])


def test_explain_says_what_a_setting_was_and_is(tmp_path):
    program = (
        "import pandas as pd\n"
        "import stagecache\n"
        "pd.set_option('display.max_rows', {})\n"
        "@stagecache.stage\n"
        "def work(x: int) -> str:\n    return str(pd.Series([x]))\n"
        "with stagecache.Cache('kept'):\n"
        "    print(work.explain(1))\n"
        "    work(1)\n"
    )
    run(tmp_path, program.format(60))
    shown = " ".join(run(tmp_path, program.format(5)))
    assert (
        "code: setting of pandas.set_option 'display.max_rows' was "
        "pd.set_option('display.max_rows', 60), is pd.set_option('display.max_rows', 5)"
    ) in shown


def test_a_long_line_of_calls_is_left_to_who_reads_the_program():
    # Of each call, all before it would be looked through: minutes for a megabyte.
    assert may_set("import numpy as np\nfound = [" + "made.add_one(1), " * 20_000 + "]\n")
