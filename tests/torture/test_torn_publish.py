"""A change of a store that is killed at any system call leaves a hit or a miss, and no harm."""

from __future__ import annotations

import pytest

KILLS = 10_000


@pytest.mark.parametrize(
    "change",
    [
        "first publish", "inline", "blob", "replacement", "replacement by a small one", "removal",
        "collection", "repair", "eviction", "close", "parts", "parts replaced",
    ],
)  # fmt: skip
def test_whatever_is_killed_at_any_system_call_leaves_a_hit_or_a_miss(
    rounds, child, tmp_path, change
):
    killer = child("publishing.py", tmp_path / "work", change)
    for _ in rounds(KILLS, "kills"):
        answer = killer.ask()
        if answer == "complete":
            rounds.note("every call")
            break
        if answer.startswith("refused"):
            pytest.skip(answer)
        if answer != "ok":
            rounds.failed(f"{answer}\n{killer.errors()}")
            if not answer:
                break
