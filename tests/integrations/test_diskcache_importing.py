"""An old directory of diskcache is brought over, and what cannot be trusted or read is counted."""

from __future__ import annotations

import json
import os
import pickle
import sqlite3
import time

import diskcache as old
import pytest
from click.testing import CliRunner

from stagecache.cli.commands import commands
from stagecache.integrations import diskcache as dc
from stagecache.integrations.diskcache.importing import bring


@pytest.fixture
def folder(tmp_path):
    return str(tmp_path / "old")


def fill(cache):
    cache.set("text", "abc", tag="words")
    cache.set("list", [1, {"a": (2,)}], expire=1000, tag=7)
    cache["long text"] = "ä" * 40_000
    cache["long bytes"] = b"x" * 40_000
    cache["long list"] = list(range(40_000))
    cache[b"bytes"] = 2.5
    cache[2.5] = None
    cache[("a", 1)] = 2**70
    cache.set("gone", 1, expire=1e-9)
    time.sleep(0.01)


def run(*arguments):
    return CliRunner().invoke(commands, ["import-diskcache", *arguments])


def test_values_expiry_tags_order_and_settings_come_along(folder):
    with old.Cache(folder, eviction_policy="least-recently-used", size_limit=5 * 10**7) as cache:
        fill(cache)
        expected = [
            (key, *cache.get(key, expire_time=True, tag=True)) for key in cache if key != "gone"
        ]
    (report,) = bring(folder, folder)
    assert (report.brought, report.expired, report.problems) == (8, 1, [])
    assert report.is_whole
    with dc.Cache(folder) as cache:
        found = [(key, *cache.get(key, expire_time=True, tag=True)) for key in cache]
        assert found == expected
        assert (cache.eviction_policy, cache.size_limit) == ("least-recently-used", 5 * 10**7)
        with cache.read("long bytes") as reader:
            assert reader.read(2) == b"xx"
        assert cache.check() == []
    with old.Cache(folder) as cache:
        assert len(cache) == 9


def test_what_was_used_last_gives_way_last_also_afterwards(folder):
    with old.Cache(folder, eviction_policy="least-recently-used") as cache:
        for number in range(5):
            cache[number] = b"x" * 1000
        time.sleep(0.01)
        cache[0]
    list(bring(folder, folder))
    with dc.Cache(folder) as cache:
        cache.reset("size_limit", 33_000)
        cache.reset("cull_limit", 4)
        cache["new"] = 1
        assert list(cache) == [0, "new"]


def test_to_begin_again_brings_what_is_missing_and_changes_nothing(folder, tmp_path):
    with old.Cache(folder) as cache:
        for number in range(500):
            cache[number] = number
    target = str(tmp_path / "new")

    def stop(seen, total):
        assert total == 500
        if seen >= 200:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(bring(folder, target, progress=stop))
    with dc.Cache(target) as cache:
        assert len(cache) == 200
        cache[7] = "changed"
    (report,) = bring(folder, target)
    assert (report.brought, report.there) == (300, 200)
    with dc.Cache(target) as cache:
        assert list(cache) == list(range(500))
        assert cache.pop(7) == "changed"
    (report,) = bring(folder, target)
    assert report.is_done_before
    with dc.Cache(target) as cache:
        assert 7 not in cache  # what was removed since stays so
    (report,) = bring(folder, target, again=True)
    assert (report.brought, report.there) == (1, 499)


def test_shards_and_what_lies_below_them_come_along(folder):
    with old.FanoutCache(folder, shards=3, size_limit=3 * 10**8) as cache:
        for number in range(50):
            cache[number] = str(number)
        cache.deque("jobs").extend("abc")
        cache.index("a/b")["x"] = [1]
        cache.cache("c")["y"] = 2
    assert [report.brought for report in bring(folder, folder)] == [50, 1, 3, 1]
    with dc.FanoutCache(folder) as cache:
        assert {key: cache[key] for key in cache} == {n: str(n) for n in range(50)}
        assert (cache.shards, cache.size_limit) == (3, 10**8)
        assert list(cache.deque("jobs")) == list("abc")
        assert dict(cache.index("a/b")) == {"x": [1]}
        assert cache.cache("c")["y"] == 2


def test_a_directory_may_be_named_with_a_slash_at_its_end(folder):
    with old.Cache(folder, size_limit=5 * 10**8) as cache:
        cache["a"] = 1
    list(bring(f"{folder}/", folder))
    with dc.Cache(folder) as cache:
        assert (cache["a"], cache.size_limit) == (1, 5 * 10**8)
        assert not hasattr(cache, "shards")


def test_a_deque_and_an_index_come_along(tmp_path):
    old.Deque("abc", str(tmp_path / "deque")).appendleft("z")
    old.Index(str(tmp_path / "index"), {"b": 1, "a": 2})
    for name in ("deque", "index"):
        list(bring(str(tmp_path / name), str(tmp_path / name)))
    deque, index = dc.Deque(directory=tmp_path / "deque"), dc.Index(str(tmp_path / "index"))
    deque.append("d")
    assert list(deque) == list("zabcd")
    assert list(index.items()) == [("b", 1), ("a", 2)]
    deque.cache.close()
    index.cache.close()


@pytest.mark.parametrize("settings", [{}, {"disk_compress_level": 6}])
def test_what_json_disk_wrote_stays_json(folder, settings):
    with old.Cache(folder, disk=old.JSONDisk, **settings) as cache:
        cache["a"] = {"b": [1, None]}
        cache[("t", 1)] = ["x"] * 30_000
    list(bring(folder, folder))
    with dc.Cache(folder, disk=dc.JSONDisk) as cache:
        assert cache["a"] == {"b": [1, None]}
        assert cache[["t", 1]] == ["x"] * 30_000
        assert list(cache) == ["a", ["t", 1]]


class Payload:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("open_to", ["directory", "file", "value file", "folder of values"])
def test_a_pickle_that_somebody_else_may_have_written_stays_behind(folder, tmp_path, open_to):
    bait = str(tmp_path / "ran")
    with old.Cache(folder) as cache:
        cache["plain"] = 1
        cache["small"] = Payload(bait)
        cache["large"] = [Payload(bait), "x" * 40_000]
        if open_to in ("directory", "file"):
            cache[Payload(bait)] = 2
    value = next(
        os.path.join(path, name)
        for path, _, names in os.walk(folder) for name in names if name.endswith(".val")
    )  # fmt: skip
    path = {
        "directory": folder,
        "file": os.path.join(folder, "cache.db"),
        "value file": value,
        "folder of values": os.path.dirname(value),
    }[open_to]
    os.chmod(path, 0o777)
    target = str(tmp_path / "new")
    result = run(folder, "--to", target, "--json")
    assert result.exit_code == 1
    (report,) = json.loads(result.stdout)["caches"]
    is_open = open_to in ("directory", "file")
    assert (report["brought"], report["pickles"]) == ((1, 3) if is_open else (2, 1))
    assert "chmod" in result.stderr
    assert not os.path.exists(bait)
    with dc.Cache(target) as cache:
        assert cache["plain"] == 1
    os.chmod(path, 0o700)
    result = run(folder, "--to", target, "--json")  # as the message says
    (report,) = json.loads(result.stdout)["caches"]
    assert report["brought"] == (3 if is_open else 1)
    assert result.exit_code == 0


def test_a_pickle_is_not_run_before_somebody_gets_it(folder, tmp_path):
    bait = str(tmp_path / "ran")
    with old.Cache(folder) as cache:
        cache["a"] = Payload(bait)
    (report,) = bring(folder, folder)
    assert report.brought == 1
    assert not os.path.exists(bait)
    with dc.Cache(folder) as cache:
        assert cache["a"] is None
    assert os.path.exists(bait)


def damaged(folder, statement, *bindings):
    connection = sqlite3.connect(os.path.join(folder, "cache.db"))
    connection.execute(statement, bindings)
    connection.commit()
    connection.close()


@pytest.mark.parametrize(
    ("change", "bindings", "said"),
    [
        ("filename = ?", ("../../secret",), "outside"),
        ("filename = ?", ("/etc/hostname",), "outside"),
        ("filename = ?", ("aa/bb/none.val",), "cannot be read"),
        ("mode = 9", (), "unknown mode"),
        ("mode = 4, value = ?", (b"\x80\x05broken",), "Error"),
        ("mode = 4, value = ?", (None,), "Error"),
        ("mode = 3, value = ?", (b"\xff",), "Error"),
        ("raw = 0, key = ?", (b"no pickle",), "Error"),
        ("expire_time = ?", ("soon",), "Error"),
        ("expire_time = ?", (b"soon",), "Error"),
        ("store_time = ?", ("then",), "Error"),
        ("access_count = ?", (b"many",), "Error"),
        ("tag = ?, mode = ?", (1e300, None), "unknown mode"),
        ("key = NULL", (), "brought"),
        ("tag = ?", (b"x",), "brought"),
    ],
)
def test_a_damaged_item_is_told_of_and_the_others_come_along(folder, change, bindings, said):
    with old.Cache(folder) as cache:
        cache["a"], cache["b"], cache["c"] = 1, 2, 3
    damaged(folder, f"UPDATE Cache SET {change} WHERE rowid = 2", *bindings)
    result = run(folder)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert said in result.output
    with dc.Cache(folder) as cache:
        assert (cache["a"], cache["c"]) == (1, 3)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE Settings SET value = 'much' WHERE key IN ('size_limit', 'cull_limit')",
        "UPDATE Settings SET value = x'00' WHERE key = 'disk_min_file_size'",
        "UPDATE Settings SET value = NULL",
        "UPDATE Settings SET key = x'ff' WHERE key = 'size_limit'",
        "INSERT INTO Settings VALUES (17, 18)",
        "DELETE FROM Settings",
    ],
)
def test_settings_that_are_none_are_left_behind(folder, change):
    with old.Cache(folder) as cache:
        cache["a"] = 1
    damaged(folder, change)
    (report,) = bring(folder, folder)
    assert report.is_whole
    with dc.Cache(folder) as cache:
        assert (cache["a"], cache.size_limit) == (1, 2**30)


def test_a_link_among_values_is_not_followed(folder, tmp_path):
    with old.Cache(folder) as cache:
        cache["a"] = b"x" * 40_000
    secret = tmp_path / "secret"
    secret.write_bytes(b"s")
    (value,) = [
        os.path.join(path, name)
        for path, _, names in os.walk(folder) for name in names if name.endswith(".val")
    ]  # fmt: skip
    os.unlink(value)
    os.symlink(secret, value)
    (report,) = bring(folder, folder)
    assert (report.brought, report.unreadable) == (0, 1)
    assert "link" in report.problems[0]


@pytest.mark.parametrize(
    "content",
    [b"", b"no database", b"SQLite format 3\0" + b"\xff" * 5000, "other tables", "views", "torn"],
)
def test_a_foreign_or_broken_file_is_told_of(folder, content):
    os.mkdir(folder)
    path = os.path.join(folder, "cache.db")
    if content in ("other tables", "views"):
        connection = sqlite3.connect(path)
        kind = "TABLE" if content == "other tables" else "VIEW"
        for name in ("Cache", "Settings"):
            tail = "(x)" if kind == "TABLE" else "AS SELECT 1 AS x"
            connection.execute(f"CREATE {kind} {name} {tail}")
        connection.close()
    elif content == "torn":
        with old.Cache(folder, sqlite_journal_mode="delete") as cache:
            for number in range(2000):
                cache[number] = "x" * 200
        size = os.path.getsize(path)
        with open(path, "r+b") as stream:
            stream.seek(size // 2)
            stream.write(b"\xa5" * (size // 2))
    else:
        with open(path, "wb") as stream:
            stream.write(content)
    result = run(folder, "--json")
    assert result.exit_code == 1
    (report,) = json.loads(result.stdout)["caches"]
    assert report["problems"]
    assert "Traceback" not in result.output


def test_what_a_disk_of_ones_own_wrote_stays_behind(folder):
    class Own(old.Disk):
        def __init__(self, directory, secret="", **settings):
            super().__init__(directory, **settings)

    with old.Cache(folder, disk=Own, disk_secret="x") as cache:
        cache["a"] = 1
    (report,) = bring(folder, folder)
    assert report.brought == 0
    assert "disk_secret" in report.problems[0]


def test_a_directory_without_a_cache_is_wrongly_asked(tmp_path):
    result = run(str(tmp_path))
    assert result.exit_code == 2
    assert "holds no cache" in result.output


def test_people_are_told_what_became_of_it(folder):
    with old.Cache(folder) as cache:
        cache["a"] = 1
    result = run(folder)
    assert (result.exit_code, "1 items brought" in result.output) == (0, True)
    assert "before" in run(folder).output


def test_pickles_of_classes_that_are_gone_come_along_as_they_are(folder):
    data = pickle.dumps(Payload("x")).replace(b"mkdir", b"mkdxx")
    with old.Cache(folder) as cache:
        cache["a"] = [1, 2]
    damaged(folder, "UPDATE Cache SET value = ?", data)
    (report,) = bring(folder, folder)
    assert report.brought == 1
