"""Edits of files that libraries written in C open past the interpreter."""

from __future__ import annotations

from cases import keep, rerun

LIBRARY = {
    "site/nat_z.py": """
import ctypes

libc = ctypes.CDLL(None)

def read(path):
    file = libc.open(path.encode(), 0)
    text = ctypes.create_string_buffer(100)
    count = libc.read(file, text, 100)
    libc.close(file)
    return text.raw[:count].decode()
""",
    "site/nat_z-1.0.dist-info/RECORD": "nat_z.py,,\n_nat_z.so,,\n",
}
_HEAD = """
import sys
sys.path.insert(0, "site")
import nat_z
"""
rerun(
    "file named in code, read by a native library",
    "5",
    "6",
    _HEAD
    + """
@stage
def work(x):
    return nat_z.read("data.bin")
""",
    files={**LIBRARY, "data.bin": "$edit"},
)
rerun(
    "file named by a global, read by a native library",
    "5",
    "6",
    _HEAD
    + """
from pathlib import Path
SOURCE = Path("data.bin")

@stage
def work(x):
    return nat_z.read(str(SOURCE))
""",
    files={**LIBRARY, "data.bin": "$edit"},
)
keep(
    "file named in code that reaches no native library",
    "5",
    "6",
    """
@stage
def work(x):
    return len("data.bin")
""",
    files={"data.bin": "$edit"},
)
