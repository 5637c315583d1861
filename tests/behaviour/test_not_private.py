"""Where somebody else may have written: what is still kept, and what is not believed."""

from __future__ import annotations

import marshal
import os
import shutil
import warnings

import apsw
import pytest
from xxhash import xxh3_128_digest

import stagecache
from stagecache import File
from stagecache.errors import StagecacheWarning
from stagecache.fingerprint.code import forms
from stagecache.fingerprint.files import _stat_key, fingerprint_contents


class Model:
    """What no codec holds that is safe whoever wrote it."""

    def __init__(self, weight):
        self.weight = weight


@pytest.fixture
def calls():
    return []


@pytest.fixture
def fit(calls):
    @stagecache.stage
    def fit(n: int) -> Model:
        calls.append(n)
        return Model(n)

    return fit


# --- what only pickle holds


def test_what_no_safe_codec_holds_is_kept_in_memory(tmp_path, fit, calls):
    with stagecache.Cache(tmp_path / "cache", shared=True) as cache:
        with pytest.warns(StagecacheWarning, match=r"`fit` is kept in this process only"):
            assert fit(1).weight == 1
        first, second = fit(1), fit(1)
        assert (first.weight, calls) == (1, [1])
        assert first is not second
        assert fit.is_cached(1)
        assert [entry.codec for entry, _ in cache.entries()] == ["pickle"]
    with stagecache.Cache(tmp_path / "cache", shared=True), pytest.warns(StagecacheWarning):
        fit(1)
    assert calls == [1, 1]


def test_a_container_of_such_values_is_kept_in_memory_as_a_whole(tmp_path, calls):
    import numpy as np

    @stagecache.stage
    def fits(n: int) -> dict[str, object]:
        calls.append(n)
        return {"model": Model(n), "data": np.arange(50_000)}

    with stagecache.Cache(tmp_path / "cache", shared=True) as cache:
        with pytest.warns(StagecacheWarning, match="in this process only"):
            fits(1)
        found = fits(1)
        assert (found["model"].weight, found["data"][-1], calls) == (1, 49_999, [1])
        cache.gc()
        assert cache.verify() == []


def test_what_nothing_at_all_holds_is_told_of_as_before(tmp_path):
    class Odd:
        def __init__(self):
            self.seen = 0

        def __getstate__(self):
            return {"seen": 0}

        def __setstate__(self, state):
            self.seen = 1

        def __reduce_ex__(self, protocol):
            return Odd, (), {"seen": self.seen}

    @stagecache.stage
    def odd() -> Odd:
        return Odd()

    with (
        stagecache.Cache(tmp_path / "cache", shared=True),
        pytest.warns(StagecacheWarning, match="`odd` is returned but not kept"),
    ):
        odd()


# --- facts


@stagecache.stage
def contents(path: File) -> str:
    return path.read_text()


def copied(tmp_path, planted):
    """Return a copy of a cache, with facts that somebody put into it."""
    there = tmp_path / "there"
    shutil.copytree(tmp_path / "cache", there)
    connection = apsw.Connection(str(there / "v1" / "index.db"))
    connection.executemany(
        "INSERT OR REPLACE INTO memo (kind, key, value) VALUES (?, ?, ?)", planted
    )
    connection.close()
    return there


@pytest.mark.parametrize("is_trusted", [True, False], ids=["trusted", "not trusted"])
def test_a_planted_digest_of_a_file_is_believed_only_where_a_person_vouched(tmp_path, is_trusted):
    path = tmp_path / "data.txt"
    path.write_text("before")
    with stagecache.Cache(tmp_path / "cache"):
        contents(path)
    digest = fingerprint_contents(str(path))
    path.write_text("after!")
    there = copied(tmp_path, [("stat", _stat_key(str(path), os.stat(path)), digest)])
    with stagecache.Cache(there) as cache, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if is_trusted:
            cache._disk.trust()
        assert contents(path) == ("before" if is_trusted else "after!")


@pytest.mark.parametrize("is_trusted", [True, False], ids=["trusted", "not trusted"])
def test_a_planted_form_of_code_is_believed_only_where_a_person_vouched(
    tmp_path, monkeypatch, is_trusted
):
    source = "from stagecache import stage\n@stage\ndef value() -> int:\n    return {}\n"
    before, after = {}, {}
    exec(source.format("sum([1, 2])"), before)
    exec(source.format("max([1, 2])"), after)
    with stagecache.Cache(tmp_path / "cache"):
        assert before["value"]() == 3
    code = after["value"].fn.__code__
    key = xxh3_128_digest(forms._SCHEMA + marshal.dumps(code, 2))
    planted = forms.packed(forms.form_of(before["value"].fn.__code__))
    there = copied(tmp_path, [(forms._KIND, key, planted)])
    monkeypatch.setattr(forms, "_known", {})
    with stagecache.Cache(there) as cache, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if is_trusted:
            cache._disk.trust()
        assert after["value"]() == (3 if is_trusted else 2)


def test_going_back_to_earlier_files_hits_in_a_shared_directory_too(tmp_path, calls):
    """Other processes remember nothing that they could believe."""
    path = tmp_path / "data.txt"

    @stagecache.stage
    def size() -> int:
        calls.append(path.read_text())
        return len(calls[-1])

    def once(text):
        path.write_text(text)
        with stagecache.Cache(tmp_path / "cache", shared=True):
            return size()

    assert [once("a"), once("bb"), once("a"), once("bb")] == [1, 2, 1, 2]
    assert calls == ["a", "bb"]
