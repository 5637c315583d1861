"""A disk that refuses costs no result and one warning, and what it holds afterwards is right."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

CALLS = 10_000


@pytest.mark.parametrize("error", ["EIO", "ENOSPC"])
@pytest.mark.parametrize("for_good", [0, 1], ids=["once", "from then on"])
def test_whatever_system_call_fails_every_result_is_returned(
    rounds, child, tmp_path, error, for_good
):
    job = child("failing.py", tmp_path / "work", error, for_good)
    for _ in rounds(CALLS, "failing calls"):
        answer = job.ask()
        if answer == "complete":
            rounds.note("every call")
            break
        if answer.startswith("refused"):
            pytest.skip(answer)
        if answer != "ok":
            rounds.failed(f"{answer}\n{job.errors()}")
            if not answer:
                break


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 4 MB, mounted by a shell in a namespace of its own; the command to be there.

    Nobody else sees the mount, and it is gone with the last process in it.
    """
    unshare = shutil.which("unshare")
    place = tmp_path / "disk"
    place.mkdir()
    script = f'mount -t tmpfs -o size=4m stagecache "{place}" && exec "$@"'
    as_root = [] if os.geteuid() == 0 else ["-Ur"]
    command = [unshare, *as_root, "-m", "sh", "-c", script, "sh"]
    if unshare is None or subprocess.run([*command, "true"], capture_output=True).returncode:
        pytest.skip("no file system can be mounted in a namespace here")
    return place, command


def test_a_disk_that_is_full_again_and_again_costs_no_result(rounds, child, small_disk):
    place, command = small_disk
    job = child("filling.py", place, before=command)
    for _ in rounds(1_000, "times full"):
        answer = job.ask()
        if answer != "ok":
            rounds.failed(f"{answer}\n{job.errors()}")
            break
