"""Regions on our places: shared, exclusive over processes, and never in anybody's way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import tomllib
from pathlib import Path

import pytest

pytest.importorskip("dogpile.cache")
from dogpile.cache import make_region
from dogpile.cache.api import NO_VALUE

import stagecache.integrations.dogpile
from stagecache.errors import SettingsError, StagecacheWarning
from stagecache.stores.shared import keyring


@pytest.fixture
def configured(tmp_path):
    """A region of dogpile's own on our backend."""

    def configured(expiration_time=None, **arguments):
        arguments = arguments or {"directory": str(tmp_path / "cache")}
        return make_region().configure("stagecache", expiration_time, arguments=arguments)

    return configured


@pytest.fixture
def region(configured):
    return configured()


START = """
import sys, threading, time
from dogpile.cache import make_region
import stagecache.integrations.dogpile

region = make_region().configure("stagecache", arguments={arguments!r})
"""


@pytest.fixture
def python(tmp_path):
    """Start programs that have a region."""
    started = []

    def python(code, **arguments):
        arguments = arguments or {"directory": str(tmp_path / "cache")}
        program = START.format(arguments=arguments) + textwrap.dedent(code)
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", program],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=tmp_path,
        )  # fmt: skip
        started.append(process)
        return process

    yield python
    for process in started:
        process.kill()
        process.communicate()


def ends(process):
    """What a program printed, which has to end well."""
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return out


# --- how it is found


def test_the_name_alone_is_enough_where_the_package_is_installed(tmp_path):
    """By the entry point that is declared, though the package that is installed may be older."""
    declared = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    points = declared["project"]["entry-points"]["dogpile.cache"]
    folder = tmp_path / "site" / "ours-1.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: ours\nVersion: 1\n")
    lines = "\n".join(f"{name} = {where}" for name, where in points.items())
    (folder / "entry_points.txt").write_text(f"[dogpile.cache]\n{lines}\n")
    code = f"""
import sys
from dogpile.cache import make_region

region = make_region().configure("stagecache", arguments={{"directory": {str(tmp_path)!r} + "/c"}})
assert region.get_or_create("a", lambda: 1) == 1
assert type(region.backend).__name__ == "StagecacheBackend"
"""
    path = os.pathsep.join([str(tmp_path / "site"), str(Path(stagecache.__file__).parents[1])])
    env = {**os.environ, "PYTHONPATH": path, "XDG_CACHE_HOME": str(tmp_path / "xdg")}
    subprocess.run([sys.executable, "-c", code], env=env, check=True)


def test_it_is_configured_from_text_as_well(tmp_path):
    region = make_region().configure_from_config(
        {
            "cache.backend": "stagecache",
            "cache.expiration_time": "60",
            "cache.arguments.directory": str(tmp_path / "cache"),
            "cache.arguments.max_size": "10 MB",
            "cache.arguments.ttl": "1h",
        },
        "cache.",
    )
    assert region.get_or_create("a", lambda: 1) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"url": "ftp://host"}, "scheme"),
        ({"url": "memory:///", "namespace": "a/b"}, "namespace"),
        ({"url": "memory:///", "allow_pickle": True}, "signing_key"),
        ({"directory": ":memory:", "memory": "much"}, "much"),
    ],
)
def test_arguments_that_cannot_be_used_are_errors(arguments, message):
    with pytest.raises(SettingsError, match=message):
        make_region().configure("stagecache", arguments=arguments)


def test_an_argument_that_is_unknown_is_told_of(tmp_path):
    with pytest.warns(StagecacheWarning, match="does not know directroy"):
        make_region().configure("stagecache", arguments={"directroy": str(tmp_path)})


# --- values


class Point:
    def __init__(self, x):
        self.x = x


def test_values_come_back_as_ones_own_of_any_kind_and_size(configured):
    import numpy as np
    import pandas as pd

    values = [
        None, True, 7, "text", b"\0not kept", b"a|b\nc", (1, [2]), {"a": {1, 2}}, "x" * 50_000,
        np.arange(5), np.arange(50_000), pd.DataFrame({"a": [1.5, 2]}),
    ]  # fmt: skip
    for arguments in ({}, {"directory": ":memory:"}):
        region = configured(**arguments)
        region.set_multi({str(place): value for place, value in enumerate(values)})
        found = region.get_multi([*map(str, range(len(values))), "none"])
        assert found.pop() is NO_VALUE
        for value, back in zip(values, found, strict=True):
            assert type(back) is type(value)
            if isinstance(value, (np.ndarray, pd.DataFrame)):
                assert back.equals(value) if hasattr(back, "equals") else (back == value).all()
            else:
                assert back == value
        region.set("list", [1])
        region.get("list").append(2)
        assert region.get("list") == [1]
        region.get("9")[0] = 99
        assert region.get("9")[0] == 0


def test_a_value_that_cannot_be_kept_is_returned_and_the_old_one_gone(region):
    lock = threading.Lock()
    region.set("a", 1)
    with pytest.warns(StagecacheWarning, match="returned, but not kept"):
        region.set("a", lock)
    assert region.get("a") is NO_VALUE
    assert region.get_or_create("a", lambda: lock) is lock
    assert region.get_or_create("a", lambda: 2) == 2


def test_a_value_whose_class_is_gone_is_made_again_with_one_warning(region, python, tmp_path):
    (tmp_path / "gone.py").write_text("class Gone:\n    pass\n")
    ends(python("import gone\nregion.set_multi({'a': gone.Gone(), 'b': gone.Gone()})"))
    with pytest.warns(StagecacheWarning, match="cannot be decoded"):
        assert region.get_or_create("a", lambda: 1) == 1
    assert region.get("b") is NO_VALUE
    assert region.get("a") == 1


def test_a_bounded_region_lets_the_least_recently_used_go(tmp_path, configured):
    region = configured(directory=str(tmp_path / "cache"), max_items=3)
    for key in "abcd":
        region.set(key, key)
    assert region.get_multi(list("abcd")) == [NO_VALUE, "b", "c", "d"]


def test_a_value_is_gone_after_its_ttl(tmp_path, configured):
    region = configured(directory=str(tmp_path / "cache"), ttl="100s")
    region.set("a", 1)
    region.set_multi({"b": 2, "c": 3})
    items = region.backend.place._kept.index._items
    for key in (b"sa", b"sb", b"sc"):
        assert 50 < items.expiry(key)[0] - time.time() <= 100
    items.touch(b"sa", time.time() - 1, 0.0)
    assert region.get("a", ignore_expiration=True) is NO_VALUE


def test_regions_of_two_names_are_apart_and_those_of_one_are_one(tmp_path, configured):
    directory = str(tmp_path / "cache")
    one, again = (configured(directory=directory, name="one") for _ in range(2))
    two = configured(directory=directory, name="two")
    one.set("a", 1)
    assert (again.get("a"), two.get("a")) == (1, NO_VALUE)


def test_a_directory_that_cannot_be_used_costs_one_warning_and_no_error(tmp_path, configured):
    (tmp_path / "file").write_text("in the way")
    region = configured(directory=str(tmp_path / "file" / "cache"))
    calls = []

    def use(_):
        assert region.get_or_create("a", lambda: calls.append(1) or 7) == 7
        region.set_multi({"b": 1, "c": 2})
        assert region.get_multi(["b", "c"]) == [NO_VALUE, NO_VALUE]
        region.delete("a")
        region.delete_multi(["b", "c"])

    with pytest.warns(StagecacheWarning) as told:
        list(map(use, range(5)))
    assert len(calls) == 5
    assert len({str(each.message) for each in told}) == 1


# --- once

STAMPEDE = """
import os

def create():
    os.write(file, b"x")
    time.sleep(0.1)
    return "made"

def ask():
    gate.wait()
    found.append(region.get_or_create("key", create))

file = os.open("calls", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
found, gate = [], threading.Barrier(5)
print("ready", flush=True)
sys.stdin.readline()
threads = [threading.Thread(target=ask) for _ in range(5)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert found == ["made"] * 5, found
"""


def stampede(processes, calls):
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        ends(process)
    return calls.read_text()


def test_of_five_threads_in_four_processes_one_makes_a_value(python, tmp_path):
    assert stampede([python(STAMPEDE) for _ in range(4)], tmp_path / "calls") == "x"


def test_of_five_threads_on_four_machines_one_makes_a_value(python, redis_server, tmp_path):
    processes = [python(STAMPEDE, url=redis_server.url) for _ in range(4)]
    assert stampede(processes, tmp_path / "calls") == "x"


HOLD = """
mutex = region.backend.get_mutex("key")
assert mutex.acquire()
print("held", flush=True)
sys.stdin.readline()
"""


def test_a_holder_that_is_killed_lets_the_next_one_in(python, region):
    holder = python(HOLD)
    assert holder.stdout.readline() == "held\n"
    mutex = region.backend.get_mutex("key")
    assert mutex.acquire(False) is False
    assert mutex.locked()
    os.kill(holder.pid, signal.SIGKILL)
    assert region.get_or_create("key", lambda: "made") == "made"
    assert not mutex.locked()


def test_a_mutex_is_let_go_by_another_thread_and_a_thread_never_waits_for_itself(region):
    mutex = region.backend.get_mutex("key")
    assert mutex.acquire()
    assert mutex.acquire()  # it would wait for ever
    mutex.release()
    other = threading.Thread(target=mutex.release)
    other.start()
    other.join()
    assert not mutex.locked()
    with pytest.raises(RuntimeError, match="nobody has acquired"):
        mutex.release()


def test_a_child_does_not_hold_what_its_parent_holds(python):
    code = """
    import os, warnings

    mutex = region.backend.get_mutex("key")
    mutex.acquire()
    child = os.fork()
    if not child:
        assert mutex.locked() and not mutex.acquire(False)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    mutex.release()
    child = os.fork()
    if not child:
        os._exit(mutex.locked())
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert not mutex.locked()
    """
    ends(python(code))


def test_a_runner_in_the_background_refreshes_while_others_get_the_old_value(tmp_path):
    def runner(region, key, creator, mutex):
        def run():
            try:
                region.set(key, creator())
            finally:
                mutex.release()

        threads.append(threading.Thread(target=run))
        threads[-1].start()

    threads: list[threading.Thread] = []
    region = make_region(async_creation_runner=runner).configure(
        "stagecache", 0.05, arguments={"directory": str(tmp_path / "cache")}
    )
    assert region.get_or_create("a", lambda: "old") == "old"
    time.sleep(0.06)
    assert region.get_or_create("a", lambda: "new") == "old"
    threads[0].join()
    assert region.get("a") == "new"
    assert not region.key_is_locked("a")


# --- shelves


@pytest.fixture
def key(tmp_path):
    keyring.make(str(tmp_path / "team.key"))
    return str(tmp_path / "team.key")


def test_machines_see_at_once_what_others_set_and_delete(configured, redis_server):
    one, two = configured(url=redis_server.url), configured(url=redis_server.url)
    one.set_multi({"a": 1, "b": "x" * 100_000})
    assert two.get_multi(["a", "b"]) == [1, "x" * 100_000]
    two.set("a", 2)
    assert one.get("a") == 2
    one.delete_multi(["a", "b"])
    assert two.get_multi(["a", "b"]) == [NO_VALUE, NO_VALUE]


def test_pickles_are_shared_by_those_who_have_a_key_and_by_nobody_else(
    configured, redis_server, key
):
    url = redis_server.url
    team = configured(url=url, signing_key=key, allow_pickle=True)
    careful, stranger = configured(url=url, signing_key=key), configured(url=url)
    team.set("point", Point(3))
    assert team.get("point").x == 3
    for other in (careful, stranger):
        with pytest.warns(StagecacheWarning, match="cannot be decoded"):
            assert other.get("point") is NO_VALUE
    with pytest.warns(StagecacheWarning, match="not kept"):
        stranger.set("own", Point(4))
    assert stranger.get("own") is NO_VALUE
    stranger.set("forged", 5)
    with pytest.warns(StagecacheWarning, match="nobody signed it"):
        assert team.get("forged") is NO_VALUE


def test_values_that_were_moved_or_damaged_on_the_shelf_are_not_used(configured, tmp_path):
    url = f"file://{tmp_path}/shelf"
    region = configured(url=url)
    region.set("a", 1)
    region.set("b", 2)
    one, two = [path for path in (tmp_path / "shelf").rglob("*") if path.is_file()]
    swapped = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.write_bytes(swapped)
    with pytest.warns(StagecacheWarning, match="is not used"):
        assert region.get_multi(["a", "b"]) == [NO_VALUE, NO_VALUE]
    assert region.get_or_create("a", lambda: 3) == 3
    assert region.get("a") == 3


def test_an_outage_is_told_of_once_and_what_was_changed_meanwhile_is_not_stale(
    configured, own_redis_server
):
    server = own_redis_server()
    region, other = (configured(url=server.url) for _ in range(2))
    region.set_multi({"kept": 1, "changed": "old", "deleted": "old"})
    calls = []

    def use():
        for _ in range(1_000):
            region.get_or_create("made", lambda: calls.append(1) or "made")
        region.set("changed", "new")
        region.delete("deleted")

    server.pause()
    with pytest.warns(StagecacheWarning, match="out of reach") as told:
        use()
    assert len(calls) == 1
    assert len(told) == 1
    assert region.get_multi(["made", "changed", "kept"]) == ["made", "new", NO_VALUE]
    server.resume()
    region.backend.place._reach._breaker._until = 0.0  # it is asked again now
    assert region.get_multi(["made", "changed", "deleted"]) == [NO_VALUE] * 3
    assert other.get_multi(["kept", "changed", "deleted"]) == [1, NO_VALUE, NO_VALUE]
