"""Settings: which source wins, what they may look like, and where they came from."""

import os
import subprocess
import sys
from contextlib import suppress
from datetime import timedelta
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stagecache.errors import SettingsError
from stagecache.settings import (
    Settings,
    parse_duration,
    parse_size,
    project_root,
    resolve,
)


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """A project with a folder in it, and a user's home, far from the real ones."""
    for name in [name for name in os.environ if name.startswith("STAGECACHE_")]:
        monkeypatch.delenv(name)
    folder = tmp_path / "project" / "notebooks"
    folder.mkdir(parents=True)
    (tmp_path / "project" / ".git").mkdir()
    (tmp_path / "home" / ".config" / "stagecache").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.chdir(folder)
    return tmp_path


def write_project(place, text):
    (place / "project" / "pyproject.toml").write_text(text)


def write_user(place, text):
    (place / "home" / ".config" / "stagecache" / "config.toml").write_text(text)


def test_defaults(place):
    assert resolve() == Settings(
        directory=str(place / "project" / ".stagecache"),
        memory=256 * 1024**2,
        max_size=None,
        executor="inline",
        jobs=None,
        durable=False,
        read_only=False,
    )


SOURCES = ["argument", "environment", "project", "user"]
VALUES = {
    "memory": ("1 MiB", 1 << 20, "2 MiB", 2 << 20),
    "max_size": ("1 GB", 10**9, "none", None),
    "executor": ("threads", "threads", "inline", "inline"),
    "jobs": ("3", 3, "4", 4),
    "durable": ("yes", True, "off", False),
    "read_only": ("1", True, "false", False),
    "directory": ("/somewhere/cache", "/somewhere/cache", "/else", "/else"),
}


def give(place, monkeypatch, source, name, value):
    if source == "argument":
        return {name: value}
    if source == "environment":
        monkeypatch.setenv(f"STAGECACHE_{name.upper()}", value)
    elif source == "project":
        write_project(place, f'[project]\nname = "x"\n[tool.stagecache]\n{name} = "{value}"\n')
    else:
        write_user(place, f'{name} = "{value}"\n')
    return {}


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize(
    ("stronger", "weaker"),
    [(a, b) for i, a in enumerate(SOURCES) for b in SOURCES[i + 1 :]],
)
def test_the_stronger_source_wins(place, monkeypatch, name, stronger, weaker):
    strong, meaning, weak, weak_meaning = VALUES[name]
    arguments = give(place, monkeypatch, weaker, name, weak)
    assert getattr(resolve(**arguments), name) == weak_meaning
    arguments |= give(place, monkeypatch, stronger, name, strong)
    assert getattr(resolve(**arguments), name) == meaning


def test_each_setting_has_a_source_of_its_own(place, monkeypatch):
    write_user(place, "jobs = 2\nmemory = 5\n")
    write_project(place, "[tool.stagecache]\nmemory = 6\nread_only = true\n")
    monkeypatch.setenv("STAGECACHE_DURABLE", "true")
    found = resolve(executor="threads", memory=None)
    assert (found.jobs, found.memory, found.read_only) == (2, 6, True)
    assert (found.durable, found.executor) == (True, "threads")


def test_an_empty_environment_variable_is_not_given(monkeypatch):
    monkeypatch.setenv("STAGECACHE_JOBS", "")
    assert resolve().jobs is None


def test_the_user_file_follows_xdg(place, monkeypatch):
    (place / "xdg" / "stagecache").mkdir(parents=True)
    (place / "xdg" / "stagecache" / "config.toml").write_text("jobs = 9")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(place / "xdg"))
    assert resolve().jobs == 9


@pytest.mark.parametrize(
    "text",
    [
        "[tool.stagecache]\njobs = 7",
        "[ tool . 'stagecache' ]\njobs = 7",
        "[tool]\nstagecache.jobs = 7",
        "[tool]\nstagecache = {jobs = 7}",
        "tool.stagecache.jobs = 7",
    ],
)
def test_the_table_of_the_project_is_found_however_it_is_written(place, text):
    write_project(place, text)
    assert resolve().jobs == 7


def test_only_the_nearest_pyproject_counts(place):
    write_project(place, "[tool.stagecache]\njobs = 7")
    (place / "project" / "notebooks" / "pyproject.toml").write_text("[project]")
    assert resolve().jobs is None
    assert resolve().directory == str(place / "project" / "notebooks" / ".stagecache")


@pytest.mark.parametrize(
    ("source", "base"),
    [
        ("argument", "project/notebooks"),
        ("environment", "project/notebooks"),
        ("project", "project"),
        ("user", "project"),
    ],
)
def test_a_relative_directory_starts_where_its_source_says(place, monkeypatch, source, base):
    arguments = give(place, monkeypatch, source, "directory", "my/cache")
    assert resolve(**arguments).directory == str(place / base / "my" / "cache")


def test_a_directory_may_be_a_path_a_home_or_nowhere(place):
    assert resolve(directory=Path("x")).directory == str(place / "project/notebooks/x")
    assert resolve(directory="~/x").directory == str(place / "home" / "x")
    assert resolve(directory="../x/./y").directory == str(place / "project/x/y")
    assert resolve(directory=":memory:").directory == ":memory:"


def test_an_absolute_directory_needs_no_working_directory(place, monkeypatch):
    gone = place / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert resolve(directory="/x").directory == "/x"
    with pytest.raises(SettingsError, match="working directory"):
        resolve()


@pytest.mark.parametrize(
    ("source", "origin"),
    [
        ("argument", "argument "),
        ("environment", "environment variable STAGECACHE_"),
        ("project", r"\[tool.stagecache\] of .*pyproject.toml"),
        ("user", "config.toml"),
    ],
)
def test_an_unknown_setting_is_an_error_that_says_where_and_what_was_meant(
    place, monkeypatch, source, origin
):
    arguments = give(place, monkeypatch, source, "memroy", "1")
    with pytest.raises(SettingsError, match=f"'memroy' .*{origin}.*did you mean 'memory'"):
        resolve(**arguments)
    with pytest.raises(SettingsError, match="there are directory, memory"):
        resolve(qqqq=None)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("memory", "lots"),
        ("max_size", "-1"),
        ("executor", 7),
        ("executor", ""),
        ("jobs", "0"),
        ("jobs", True),
        ("jobs", 2.5),
        ("durable", "perhaps"),
        ("durable", 2),
        ("directory", ""),
        ("directory", b"bytes"),
        ("directory", 7),
        ("directory", "a\0b"),
    ],
)
def test_an_unusable_value_is_an_error_that_names_its_source(name, value):
    with pytest.raises(SettingsError, match=rf"^{name} \(argument {name}=\): "):
        resolve(**{name: value})


@pytest.mark.parametrize("text", ["[tool.stagecache", "tool.stagecache = 7"])
def test_a_file_that_makes_no_sense_is_named(place, text):
    write_project(place, text)
    with pytest.raises(SettingsError, match=r"pyproject\.toml"):
        resolve()


def test_a_project_that_does_not_configure_us_is_not_parsed(place):
    write_project(place, 'dependencies = [\n  "stagecache>=1",\n]\n]]] not TOML')
    assert resolve().jobs is None
    code = (
        "import sys, stagecache.settings as settings; settings.resolve(); "
        "sys.exit('tomllib' in sys.modules)"
    )
    here = str(Path(__file__).parents[1])
    env = {**os.environ, "PYTHONPATH": here}
    assert subprocess.run([sys.executable, "-c", code], env=env, timeout=60).returncode == 0


def test_the_project_root_is_the_nearest_with_a_mark(place):
    assert project_root() == str(place / "project")
    inner = place / "project" / "notebooks" / "inner"
    (inner / "deep").mkdir(parents=True)
    (inner / "pyproject.toml").touch()
    assert project_root(str(inner / "deep")) == str(inner)


# --- sizes and durations

UNITS = {
    "": 1,
    "B": 1,
    "kB": 1000,
    "K": 1000,
    "KiB": 1024,
    "MB": 1000**2,
    "mib": 1024**2,
    "G": 1000**3,
    "Gi": 1024**3,
    "TB": 1000**4,
    "PiB": 1024**5,
}


@given(
    st.integers(0, 10**18),
    st.text("0123456789", max_size=6),
    st.sampled_from(sorted(UNITS)),
    st.sampled_from(["", " ", "  "]),
)
@example(9007199254740993, "", "B", "")  # no float holds it
def test_sizes_are_exact(whole, fraction, unit, space):
    number = f"{whole}.{fraction}" if fraction else str(whole)
    exact = Fraction(number) * UNITS[unit]
    assert parse_size(f" {number}{space}{unit} ") == exact.numerator // exact.denominator


@given(st.integers(0))
def test_a_number_of_bytes_is_itself(size):
    assert parse_size(size) == size == parse_size(str(size))


@pytest.mark.parametrize(
    "size",
    ["", " ", "B", "-1", "1 XB", "1 GB 2 MB", "1.2.3", ".", "1e3", "inf", "nan", "1_000",
     "1 G B", "\N{ARABIC-INDIC DIGIT ONE}", "9" * 5000, -1, True, 1.5, None, b"1"],
)  # fmt: skip
def test_what_is_no_size_is_an_error(size):
    with pytest.raises(SettingsError, match="is not a size"):
        parse_size(size)


SECONDS = {"w": 604800, "days": 86400, "h": 3600, "min": 60, "s": 1}


@given(st.dictionaries(st.sampled_from(sorted(SECONDS)), st.integers(0, 9999), min_size=1))
def test_durations_add_up(parts):
    total = sum(number * SECONDS[unit] for unit, number in parts.items())
    for space in ("", " "):
        text = space.join(f"{number}{space}{unit}" for unit, number in parts.items())
        assert parse_duration(text) == total
    assert parse_duration(total) == total == parse_duration(str(total))
    assert parse_duration(timedelta(seconds=total)) == total


@given(st.floats(0, 1e12))
def test_seconds_are_themselves(seconds):
    assert parse_duration(seconds) == seconds


@pytest.mark.parametrize(
    "duration",
    ["", "h", "1x", "1h1h", "1h 5", "-1s", "1s-", "1e3s", "inf", "1:30", -1, True, float("nan"),
     float("inf"), timedelta(seconds=-1), None, b"1s"],
)  # fmt: skip
def test_what_is_no_duration_is_an_error(duration):
    with pytest.raises(SettingsError, match="is not a duration"):
        parse_duration(duration)


@given(st.text())
def test_no_text_breaks_the_parsers(text):
    for parse in (parse_size, parse_duration):
        with suppress(SettingsError):
            assert parse(text) >= 0
