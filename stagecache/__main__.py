"""Lets ``python -m stagecache`` be the command line."""

from __future__ import annotations

from stagecache.cli import main

if __name__ == "__main__":
    main()
