"""Many processes at once on one directory, some of them killed: none is disturbed, all is right."""

from __future__ import annotations

BATCH = 50
"""Kills between two looks at what is left."""


def test_processes_that_are_killed_at_any_moment_leave_what_is_right(rounds, child, tmp_path):
    crowd = child(
        "crowd.py", tmp_path / "cache", "writer=2", "remover=1", "reader=1", "collector=1",
        "forker=1", "closer=1",
    )  # fmt: skip
    kill(rounds, crowd)


def test_sixteen_processes_that_fork_meet_no_lock(rounds, child, tmp_path):
    crowd = child("crowd.py", tmp_path / "cache", "forker=8", "remover=4", "reader=2", "closer=2")
    work(rounds, crowd)


def test_collecting_all_the_time_disturbs_neither_readers_nor_writers(rounds, child, tmp_path):
    crowd = child("crowd.py", tmp_path / "cache", "reader=8", "writer=4", "collector=1")
    work(rounds, crowd)


def test_a_bound_is_kept_among_many_and_values_that_give_way_are_misses(rounds, child, tmp_path):
    crowd = child(
        "crowd.py", tmp_path / "cache", "reader=4", "writer=4", "remover=2", "collector=1",
        "max_size=9000000",
    )  # fmt: skip
    work(rounds, crowd)


def test_processes_that_are_killed_while_they_make_room_leave_what_is_right(
    rounds, child, tmp_path
):
    crowd = child(
        "crowd.py", tmp_path / "cache", "writer=3", "remover=1", "reader=1", "collector=1",
        "max_size=9000000",
    )  # fmt: skip
    kill(rounds, crowd)


def test_clocks_that_jump_by_a_year_cost_no_result_in_use_and_keep_no_leftover(
    rounds, child, tmp_path
):
    crowd = child(
        "crowd.py", tmp_path / "cache", "reader=3", "writer=3", "remover=2", "collector=2",
        "jumping=1",
    )  # fmt: skip
    work(rounds, crowd)


def test_two_versions_that_share_a_directory_give_no_wrong_value(rounds, child, tmp_path):
    crowd = child("crowd.py", tmp_path / "cache", "newer=3", "older=3")
    work(rounds, crowd)


def test_an_index_destroyed_again_and_again_among_many_gives_no_wrong_value_and_no_long_wait(
    rounds, child, tmp_path
):
    crowd = child("crowd.py", tmp_path / "cache", "spoiled=5", "spoiler=1")
    work(rounds, crowd)


def work(rounds, crowd):
    """Let a crowd work for this test's share of time."""
    answer = crowd.ask(f"work {max(2.0, rounds.seconds - 2)}")
    if answer.isdigit():
        rounds.count(int(answer), "pieces of work")
    else:
        rounds.failed(f"{answer}\n{crowd.errors()}")


def kill(rounds, crowd):
    """Kill members of a crowd, batch by batch."""
    killed = 0
    for _ in rounds(1_000, least=1):
        answer = crowd.ask(f"kill {BATCH}")
        if not answer.isdigit():
            rounds.failed(f"{answer}\n{crowd.errors()}")
            break
        killed += int(answer)
    rounds.count(killed, "kills")
