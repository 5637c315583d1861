"""No name leads out of the cache directory: not of a stage, a key, a codec, a blob, a fact."""

from __future__ import annotations

NAMES = 10_000


def test_no_name_opens_a_file_outside_the_directory(rounds, child, tmp_path):
    names = child("named.py", tmp_path / "cache")
    tried = 0
    for _ in rounds(NAMES // 20):
        answer = names.ask()
        if not answer.isdigit():
            rounds.failed(f"{answer}\n{names.errors()}")
            break
        tried += int(answer)
    rounds.count(tried, "calls with names")
