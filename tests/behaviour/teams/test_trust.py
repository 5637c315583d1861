"""What lies with the team, others can have written: what is believed of it, and what is done."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import pytest

from stagecache import File, stage
from stagecache.codecs.chunks import CHUNK, join
from stagecache.errors import StagecacheWarning
from stagecache.stores.shared.opening import open_shelf
from stagecache.stores.shared.store import SharedStore
from stagecache.testing.stores import put


@pytest.fixture
def listing(ran):
    @stage
    def listing(n: int) -> list[int]:
        ran.append(n)
        return list(range(n))

    return listing


def warnings_of(work):
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        work()
    return [str(w.message) for w in told]


# --- keys


def test_keys_are_changed_without_computing_anything_anew(host, redis_server, key, listing, ran):
    def machine(name, *keys):
        return host(name, redis=redis_server.url, signing_key=[key(k) for k in keys])

    with machine("one", "old"):
        listing(3)
    with machine("other", "new", "old"):
        listing(3)
        listing(4)
    with machine("third", "new"):
        listing(4)
    assert ran == [3, 4]


def test_who_has_another_key_or_none_finds_nothing_and_is_told_once(
    host, redis_server, key, listing, ran
):
    with host("one", redis=redis_server.url, signing_key=key("team")):
        listing(3), listing(4)

    def ask(name, **settings):
        with host(name, redis=redis_server.url, **settings):
            listing(3), listing(4)

    told = warnings_of(lambda: ask("other", signing_key=key("another")))
    assert len([text for text in told if "not to be believed" in text]) == 1
    assert ran == [3, 4, 3, 4]


def test_what_nobody_signed_is_a_miss_for_a_team_with_a_key(host, redis_server, key, listing, ran):
    with host("stranger", redis=redis_server.url):
        listing(3)
    team = {"redis": redis_server.url, "signing_key": key("team")}

    def ask(name):
        with host(name, **team):
            assert listing(3) == [0, 1, 2]

    [told] = [text for text in warnings_of(lambda: ask("one")) if "not to be believed" in text]
    assert "nobody signed it" in told
    assert ran == [3, 3]
    ask("other")
    assert ran == [3, 3]


# --- damage


@pytest.mark.parametrize("size", [100, 300_000])
def test_what_is_damaged_or_cut_short_is_computed_again_and_put_right(host, tmp_path, size, ran):
    @stage
    def data(n: int) -> bytes:
        ran.append(n)
        return os.urandom(1) * n

    team = {"store": f"file://{tmp_path}/share"}
    with host("one", **team):
        first = data(size)
    paths = [path for path in (tmp_path / "share").rglob("*") if path.is_file()]
    for path in paths:
        if "marks" not in str(path):
            whole = path.read_bytes()
            path.write_bytes(whole[: len(whole) // 2])

    def ask(name):
        with host(name, **team):
            return data(size)

    told = warnings_of(lambda: ask("other"))
    assert len([text for text in told if "not to be believed" in text]) == 1
    assert len(ran) == 2
    third = ask("third")
    assert len(ran) == 2
    assert first[:1] * size == first
    assert third[:1] * size == third


# --- code


class Payload:
    """What runs when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_no_pickle_that_lies_with_a_team_runs_here_now_or_later(host, redis_server, tmp_path, ran):
    import pickle

    @stage
    def items(n: int):
        ran.append(n)
        yield from range(n)

    ran_it = tmp_path / "it ran"
    with host("one", redis=redis_server.url) as one:
        assert list(items(3)) == [0, 1, 2]
        [(entry, _)] = list(one.entries())
    # Somebody who can write there replaces what the items lie in.
    evil = pickle.dumps([Payload(ran_it)])
    store = SharedStore(open_shelf(redis_server.url), namespace="stagecache")
    part = one._store._lower[1].get_many(list(entry.parts))[entry.parts[0]]
    assert part.codec == CHUNK
    store.remove([part.key])
    sections = join([("plain", [b"x"]), ("pickle", [evil]), ("cloudpickle", [evil])])
    put(store, part._replace(inline=None, blob=None), *map(bytes, sections))
    for team in ({"redis": redis_server.url}, {}, {}):
        with host("other", **team), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert list(items(3)) == [0, 1, 2]
    assert not ran_it.exists()


# --- files


@pytest.fixture
def written(ran):
    @stage
    def written(path: str) -> File:
        ran.append(path)
        with open(path, "w") as stream:
            stream.write("contents")
        return File(path)

    return written


def test_a_file_is_not_put_back_from_where_strangers_write(
    host, redis_server, written, ran, tmp_path, monkeypatch
):
    (tmp_path / "pyproject.toml").touch()
    monkeypatch.chdir(tmp_path)
    team = {"redis": redis_server.url}
    with host("one", **team):
        written("out.txt")
    with host("other", **team):
        written("out.txt")  # it is in place, with the bytes that were kept
    assert len(ran) == 1
    os.unlink("out.txt")
    for settings in (team, {}):
        with host("other", **settings), warnings.catch_warnings():
            warnings.simplefilter("ignore", StagecacheWarning)
            if settings:
                written("out.txt")
            assert os.path.exists("out.txt")
    assert len(ran) == 2


def test_a_file_is_put_back_from_a_team_with_a_key_that_says_so(
    host, redis_server, written, ran, key, tmp_path, monkeypatch
):
    (tmp_path / "pyproject.toml").touch()
    monkeypatch.chdir(tmp_path)
    team = {"redis": redis_server.url, "signing_key": key("team"), "allow_pickle": True}
    with host("one", **team):
        written("out.txt")
    os.unlink("out.txt")
    with host("other", **team):
        assert Path(written("out.txt")).read_text() == "contents"
    assert len(ran) == 1


# --- reads


def test_what_a_body_read_is_compared_with_what_the_other_machine_has(
    host, redis_server, ran, tmp_path, monkeypatch
):
    @stage
    def size() -> int:
        ran.append(os.getcwd())
        with open("data.csv") as stream:
            return len(stream.read())

    folders = {name: tmp_path / name for name in ("a", "same", "different")}
    for name, folder in folders.items():
        folder.mkdir()
        (folder / "data.csv").write_text("1,2" if name != "different" else "1,2,3,4")
    sizes = {}
    for name, folder in folders.items():
        monkeypatch.chdir(folder)
        with host(name, redis=redis_server.url):
            sizes[name] = size()
    assert sizes == {"a": 3, "same": 3, "different": 7}
    assert len(ran) == 2
    monkeypatch.chdir(folders["a"])
    with host("late", redis=redis_server.url):
        assert size() == 3
    assert len(ran) == 2
