"""Who waits for a result hears for whom, also inside one process."""

import os
import threading

from stagecache import Cache, stage

PATIENCE = 30


def test_a_thread_that_waits_for_another_one_tells_for_whom_and_then_hits(tmp_path):
    told, is_waiting = [], threading.Event()

    @stage
    def slow(number: int) -> int:
        assert is_waiting.wait(PATIENCE)
        return number

    with Cache(tmp_path / "kept") as cache:

        def listen(event):
            told.append(event)
            if event.kind == "waiting":
                is_waiting.set()

        cache.listen(listen)
        call = cache.engine.call
        threads = [threading.Thread(target=call, args=(slow, (1,), {})) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
    assert told[0].kind == "waiting"
    assert sorted(event.kind for event in told) == ["hit", "ran", "waiting"]
    assert told[0].message.startswith(f"waiting for pid {os.getpid()} on ")
