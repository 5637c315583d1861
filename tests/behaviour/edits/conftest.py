"""Makes the tables of edits importable, once."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
collect_ignore = [
    "annotation_cases.py",
    "argument_cases.py",
    "called_cases.py",
    "cases.py",
    "environment_cases.py",
    "filled_cases.py",
    "further_cases.py",
    "more_cases.py",
    "handle_cases.py",
    "held_cases.py",
    "item_cases.py",
    "loaded_cases.py",
    "look_cases.py",
    "memo_cases.py",
    "native_cases.py",
    "nested_cases.py",
    "project_cases.py",
    "package_cases.py",
    "pool_cases.py",
    "reader_cases.py",
    "setting_cases.py",
    "zygote.py",
]
