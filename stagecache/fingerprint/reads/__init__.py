"""What a stage reads without declaring it: seen while its body runs, checked at every lookup."""

from stagecache.fingerprint.reads.check import digest_now, first_changed
from stagecache.fingerprint.reads.recorder import Recorder
from stagecache.fingerprint.reads.recording import current_recorder, recording

__all__ = ["Recorder", "current_recorder", "digest_now", "first_changed", "recording"]
