"""The first moments of a directory, which several processes make at once."""

from __future__ import annotations

import os
import shutil

import pytest


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_processes_that_begin_at_once_meet_no_trouble_and_leave_the_directory_private(
    rounds, child, tmp_path
):
    template = child("beginning.py")
    for number in rounds(1_000, "directories"):
        directory = tmp_path / str(number)
        if template.ask(f"{directory} {number}") != "0":
            rounds.failed(f"{number}: {template.errors()}")
        shutil.rmtree(directory)
