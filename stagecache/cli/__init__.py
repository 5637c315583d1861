"""The command line: `main` is its entry; everything else is imported when it is called."""

from __future__ import annotations


def main() -> None:
    """Run the command that ``sys.argv`` names and exit: 0 done, 1 failed, 2 wrongly asked."""
    from stagecache.cli.commands import commands
    from stagecache.cli.failures import tell_warnings_plainly

    tell_warnings_plainly()
    commands(prog_name="stagecache")
