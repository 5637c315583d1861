"""What uses another thing holds still before it, or fork and writer would wait for each other."""

from __future__ import annotations

import os

import pytest

from stagecache import forking


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_what_was_made_last_is_held_first_and_released_last():
    told = []

    class Told:
        def __init__(self, name):
            self.name = name
            forking.hold_over_forks(self)

        def before_fork(self):
            told.append(("hold", self.name))

        def after_fork(self, *, in_child):
            told.append(("go on", self.name))

    things = [Told(name) for name in ("inner", "middle", "outer")]
    del things[1]
    forking._before()
    forking._after(in_child=False)
    assert told == [
        ("hold", "outer"), ("hold", "inner"), ("go on", "inner"), ("go on", "outer")
    ]  # fmt: skip
