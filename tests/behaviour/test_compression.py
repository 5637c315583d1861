"""Compression changes what a result takes on disk, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

import stagecache
from stagecache import Cache, stage
from stagecache.errors import SettingsError, StageDefinitionError


def make_stage(**options):
    @stage(**options)
    def zeros(n: int) -> np.ndarray:
        calls.append(n)
        return np.zeros(n)

    calls: list[int] = []
    return zeros, calls


def the_entry(cache):
    [(entry, _)] = cache.entries()
    return entry


@pytest.mark.parametrize("kind", ["zstd", "lz4", "gzip"])
def test_a_compressed_result_is_small_and_hits(tmp_path, kind):
    zeros, calls = make_stage(compression=kind)
    with Cache(tmp_path / "c") as cache:
        zeros(100_000)
    with Cache(tmp_path / "c") as cache:
        assert zeros(100_000).sum() == 0
        assert the_entry(cache).codec == f"pickle+{kind}"
        assert the_entry(cache).size < 20_000
    assert calls == [100_000]


def test_another_compression_is_still_a_hit(tmp_path):
    for options in ({"compression": "zstd"}, {"compression": "lz4"}, {}):
        zeros, calls = make_stage(**options)
        with Cache(tmp_path / "c"):
            zeros(100_000)
        assert calls == ([100_000] if options == {"compression": "zstd"} else [])


def test_the_setting_is_for_stages_that_do_not_say(tmp_path, monkeypatch):
    monkeypatch.setenv("STAGECACHE_COMPRESSION", "zstd")
    for options, codec in (
        ({}, "pickle+zstd"), ({"compression": "none"}, "pickle"), ({"compression": "lz4"},
        "pickle+lz4"),
    ):  # fmt: skip
        zeros, _ = make_stage(**options)
        with Cache(tmp_path / str(options)) as cache:
            zeros(100_000)
            assert the_entry(cache).codec == codec


def test_what_a_hit_gives_may_be_written_to(tmp_path):
    zeros, _ = make_stage(compression="zstd")
    with Cache(tmp_path / "c"):
        zeros(100_000)
        zeros(100_000)[:] = 1
        assert zeros(100_000).sum() == 0


def test_an_unknown_compression_is_refused_where_it_is_said(tmp_path):
    with pytest.raises(StageDefinitionError, match="Did you mean 'zstd'"):
        make_stage(compression="zst")
    with pytest.raises(SettingsError, match="Did you mean 'gzip'"):
        stagecache.Cache(tmp_path, compression="gz")


def test_a_compression_that_this_version_does_not_know_is_a_miss(tmp_path, monkeypatch):
    zeros, calls = make_stage(compression="zstd")
    with Cache(tmp_path / "c"):
        zeros(100_000)
    monkeypatch.setattr("stagecache.codecs.compression.COMPRESSIONS", ("lz4",))
    with (
        Cache(tmp_path / "c"),
        pytest.warns(stagecache.StagecacheWarning, match="no compression is called 'zstd'"),
    ):
        assert zeros(100_000).sum() == 0
    assert calls == [100_000] * 2
