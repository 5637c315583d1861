"""What a stage reads without declaring it: seen while its body runs, checked at every lookup."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stagecache.fingerprint.reads.recording import current_recorder, recording

if TYPE_CHECKING:
    from stagecache.fingerprint.reads.check import digest_now, first_changed
    from stagecache.fingerprint.reads.recorder import Recorder

__all__ = ["Recorder", "current_recorder", "digest_now", "first_changed", "recording"]

# What listens from the import on needs none of these.
_LAZY = {"Recorder": "recorder", "digest_now": "check", "first_changed": "check"}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    found = getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
    globals()[name] = found
    return found
