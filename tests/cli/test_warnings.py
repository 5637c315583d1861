"""What stagecache warns of reads as a sentence on the command line."""

from __future__ import annotations

ETL = """
    import threading
    import warnings

    from stagecache import stage

    @stage
    def numbered(n: int):
        warnings.warn("numbers are old", stacklevel=1)
        return [threading.Lock()] * n
"""


def test_our_warnings_are_told_without_our_files_and_those_of_others_with_theirs(project):
    project.write("etl.py", ETL)
    arguments = ("-W", "default", "-m", "stagecache", "run", "etl.py:numbered", "n=2")
    told = project.python(*arguments).stderr
    ours = [line for line in told.splitlines() if line.startswith("Warning: The result of `num")]
    assert len(ours) == 1
    assert "stagecache/engine" not in told
    assert "etl.py:9: UserWarning: numbers are old" in told
