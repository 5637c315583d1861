"""One cache for a directory, and one index for a name in it, whoever asks."""

from __future__ import annotations

import os
import threading

import pytest

from stagecache.errors import StagecacheWarning, StoreError
from stagecache.integrations.places import Places


def test_threads_that_ask_together_get_one_cache_and_one_index(tmp_path):
    places, gate, found = Places(), threading.Barrier(8), []

    def ask():
        gate.wait()
        cache = places.at(tmp_path / "cache")
        found.append((cache, places.kept(cache, "a", memory="1 MB")))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({tuple(map(id, each)) for each in found}) == 1
    assert places.at(tmp_path / "cache", durable=True) is not found[0][0]
    assert places.kept(found[0][0], "b") is not found[0][1]


def test_what_one_thread_could_not_set_another_one_does_not_find(tmp_path, monkeypatch):
    pytest.importorskip("django")
    from stagecache.integrations.django import StagecacheCache

    def refuse(*args, **kwargs):
        raise StoreError("the disk is full.")

    one, two = (StagecacheCache(str(tmp_path / "cache"), {}) for _ in range(2))
    one.set("a", "old")
    with monkeypatch.context() as broken:
        broken.setattr(type(one._index), "set", refuse)
        broken.setattr(type(one._index), "delete_many", refuse)
        with pytest.warns(StagecacheWarning, match="disk is full"):
            one.set("a", "new")
    assert two.get("a") is None
    two.set("a", "newer")
    assert one.get("a") == "newer"


def test_a_child_that_is_forked_while_others_ask_can_ask_as_well(tmp_path):
    places, stop = Places(), threading.Event()

    def ask():
        number = 0
        while not stop.is_set():
            places.at(tmp_path / f"cache{number % 20}")
            number += 1

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(10):
            child = os.fork()
            if not child:
                places.at(tmp_path / "cache0")
                os._exit(0)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    finally:
        stop.set()
        for thread in threads:
            thread.join()
