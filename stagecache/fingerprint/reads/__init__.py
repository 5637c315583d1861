"""What a stage reads without declaring it: seen while its body runs, checked at every lookup."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagecache.fingerprint.reads.recording import current_recorder, recording
from stagecache.late import late

if TYPE_CHECKING:
    from stagecache.fingerprint.reads.check import digest_now, first_changed
    from stagecache.fingerprint.reads.recorder import Recorder

__all__ = ["Recorder", "current_recorder", "digest_now", "first_changed", "recording"]

# What listens from the import on needs none of these.


__getattr__ = late(
    __name__,
    {
        "Recorder": f"{__name__}.recorder",
        "digest_now": f"{__name__}.check",
        "first_changed": f"{__name__}.check",
    },
)
