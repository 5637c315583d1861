"""What no result depends on is no read: imports, installed packages, caches, the kernel's files."""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect
import linecache
import os
import pathlib
import pkgutil
import runpy
import sys
import textwrap
import types
import warnings
from typing import TYPE_CHECKING, Any

import pytest

from stagecache.fingerprint.reads import Recorder, recording
from stagecache.fingerprint.reads.ignored import ignore_all_in, ignored_prefixes

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(autouse=True)
def _folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", False)


def names(body: Callable[[], Any]) -> list[str]:
    recorder = Recorder()
    with recording(recorder):
        body()
    assert recorder.changed() == ()
    return [read.name for read in recorder.reads() if read.kind != "module"]


def write(name: str, text: str = "text") -> None:
    path = pathlib.Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text))


def test_importing_a_module_reads_nothing() -> None:
    write("reads_helper.py", "import colorsys\nVALUE = 1\n")
    write("reads_package/__init__.py", "from reads_package import inner")
    write("reads_package/inner.py", "VALUE = 2")
    assert names(lambda: [importlib.import_module("reads_helper")]) == []
    assert names(lambda: [importlib.import_module("reads_package")]) == []
    for name in ("reads_helper", "reads_package", "reads_package.inner"):
        del sys.modules[name]
    importlib.invalidate_caches()
    assert names(lambda: [importlib.import_module("reads_helper")]) == [], "from its bytecode"


def test_a_module_that_is_absent_reads_nothing() -> None:
    def body() -> None:
        with pytest.raises(ImportError):
            importlib.import_module("reads_absent")

    assert names(body) == []


def test_what_a_module_reads_when_it_is_imported_is_a_read() -> None:
    write("settings.json", "{}")
    write("reads_settings.py", "import pathlib\nS = pathlib.Path('settings.json').read_text()\n")
    assert names(lambda: [importlib.import_module("reads_settings")]) == ["settings.json"]


def test_what_an_installed_package_reads_when_it_is_imported_is_no_read(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "elsewhere"
    write(f"{site}/reads_installed.py", "import pathlib\npathlib.Path('rc').read_text()\n")
    write(f"{site}/reads_installed-1.0.dist-info/RECORD", "reads_installed.py,,\n")
    write(f"{site}/reads_installed-1.0.dist-info/METADATA", "Name: reads_installed\nVersion: 1.0\n")
    write("rc")
    monkeypatch.syspath_prepend(site)
    write("reads_user.py", "import reads_installed\nimport pathlib\npathlib.Path('rc').read_text()")
    assert names(lambda: [importlib.import_module("reads_installed")]) == []
    assert names(lambda: [importlib.import_module("reads_user")]) == ["rc"]


def test_data_in_the_users_package_are_reads(tmp_path: pathlib.Path) -> None:
    write("reads_data/__init__.py", "")
    write("reads_data/table.csv", "a")
    importlib.import_module("reads_data")
    assert names(lambda: pkgutil.get_data("reads_data", "table.csv")) == [
        str(tmp_path / "reads_data" / "table.csv")
    ]


def test_a_line_that_the_user_s_code_looks_up_is_read_each_time() -> None:
    write("reads_shown.py", "def f():\n    return 1\n")
    for _ in range(2):
        assert names(lambda: linecache.getline("reads_shown.py", 1)) == ["reads_shown.py"]


def test_looking_up_source_text_reads_nothing() -> None:
    write("reads_shown.py", "def f():\n    return 1\n")
    module = importlib.import_module("reads_shown")

    def body() -> None:
        linecache.clearcache()
        inspect.getsource(module.f)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.warn_explicit("text", UserWarning, "reads_shown.py", 1)

    assert names(body) == []


def test_source_that_the_body_itself_opens_is_a_read() -> None:
    write("script.py", "x = 1")
    assert names(lambda: pathlib.Path("script.py").read_text()) == ["script.py"]
    path = os.path.abspath("script.py")
    assert set(names(lambda: [runpy.run_path("script.py")])) == {path, "script.py"}


def test_asking_for_an_installed_version_reads_nothing() -> None:
    def body() -> None:
        importlib.metadata.version("pandas")
        with pytest.raises(importlib.metadata.PackageNotFoundError):
            importlib.metadata.version("stagecache-absent")

    assert names(body) == []


def test_which_modules_there_are_counts_if_the_user_asks(tmp_path: pathlib.Path) -> None:
    write("reads_package/__init__.py", "")
    found = names(lambda: list(pkgutil.iter_modules([str(tmp_path)])))
    assert found == [str(tmp_path), str(tmp_path / "reads_package")]


def test_installed_packages_and_the_interpreter_are_no_reads() -> None:
    import pandas

    def body() -> None:
        folder = os.path.dirname(pandas.__file__)
        os.listdir(folder)
        for path in (pandas.__file__, os.__file__):
            pathlib.Path(path).read_text()

    assert names(body) == []


def test_the_kernels_files_are_no_reads() -> None:
    def body() -> None:
        for path in ("/proc/self/stat", "/proc/self/absent", "/dev/null", "/sys/kernel/mm"):
            if os.path.isdir(path):
                os.listdir(path)
            elif os.path.exists(path):
                pathlib.Path(path).read_bytes()

    assert names(body) == []


def test_the_cache_directory_is_no_read(tmp_path: pathlib.Path) -> None:
    write(".stagecache/v1/index.db")
    write("input")

    def body() -> None:
        pathlib.Path(".stagecache/v1/index.db").read_text()
        os.listdir(".stagecache")
        pathlib.Path("input").read_text()

    ignore_all_in(str(tmp_path / ".stagecache"))
    assert names(body) == ["input"]


def test_compiled_code_is_no_read() -> None:
    write("__pycache__/kernel.nbi")
    assert names(lambda: pathlib.Path("__pycache__/kernel.nbi").read_text()) == []


@pytest.fixture
def home(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    return folder


def called_by(name: str, path: str) -> Callable[[], Any]:
    """Return a function of a module of that name which opens `path`."""
    module = types.ModuleType(name)
    exec("def work():\n    with open(PATH) as f:\n        return f.read()", vars(module))
    vars(module)["PATH"] = path
    return vars(module)["work"]  # type: ignore[no-any-return]


@pytest.mark.parametrize("folder", [".cache/pandas", ".config/pandas", ".local/share/pandas"])
def test_what_a_package_keeps_in_the_home_directory_is_no_read(
    home: pathlib.Path, folder: str
) -> None:
    path = str(home / folder / "kept.json")
    write(path)
    assert names(called_by("pandas.io.common", path)) == []
    assert names(called_by("reads_users_own", path)) == [path]


def test_what_a_package_is_asked_to_read_in_the_home_directory_is_a_read(
    home: pathlib.Path,
) -> None:
    path = str(home / ".cache" / "mine" / "data.csv")
    write(path)
    assert names(called_by("pandas.io.common", path)) == [path]


def test_a_users_module_named_like_a_cache_reads_it(home: pathlib.Path) -> None:
    path = str(home / ".cache" / "weather" / "data.csv")
    write(path)
    assert names(called_by("weather_jobs", path)) == [path]


def test_a_project_inside_the_interpreters_prefix_is_read(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert not str(tmp_path / "data.csv").startswith(ignored_prefixes(str(tmp_path)))
    assert str(tmp_path / "lib").startswith(ignored_prefixes(str(tmp_path.parent)))
