"""Decorate the steps of a data job; a rerun does only the work whose code or inputs changed.

Examples
--------
>>> from stagecache import Cache, stage
>>> @stage
... def double(x: int) -> int:
...     print("working")
...     return 2 * x
>>> with Cache(":memory:"):
...     double(21), double(21)
working
(42, 42)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagecache import model
from stagecache.errors import (
    DecodeError,
    EncodeError,
    FingerprintError,
    ImpureStageWarning,
    LeaseError,
    LockError,
    LockLostError,
    LockUnavailableError,
    NotHeldError,
    ReplayError,
    SettingsError,
    StagecacheError,
    StagecacheWarning,
    StageDefinitionError,
    StoreError,
    TraceError,
    UnknownNameError,
)
from stagecache.file import File
from stagecache.late import late
from stagecache.parameters import Ignore
from stagecache.pipeline import Pipeline, pipeline
from stagecache.stage import Stage, stage

if TYPE_CHECKING:
    from stagecache.cache import Cache
    from stagecache.codecs import register_codec
    from stagecache.default import configure, current
    from stagecache.fingerprint.registry import register_fingerprint
    from stagecache.fingerprint.stable import stable
    from stagecache.memory.memoized import memoize
    from stagecache.records import Explanation, Plan, Run
    from stagecache.replay import Replay

__version__ = "0.1.0"

__all__ = [
    "Cache",
    "DecodeError",
    "EncodeError",
    "Explanation",
    "File",
    "FingerprintError",
    "Ignore",
    "ImpureStageWarning",
    "LeaseError",
    "LockError",
    "LockLostError",
    "LockUnavailableError",
    "NotHeldError",
    "Pipeline",
    "Plan",
    "Replay",
    "ReplayError",
    "Run",
    "SettingsError",
    "Stage",
    "StageDefinitionError",
    "StagecacheError",
    "StagecacheWarning",
    "StoreError",
    "TraceError",
    "UnknownNameError",
    "configure",
    "current",
    "memoize",
    "pipeline",
    "register_codec",
    "register_fingerprint",
    "stable",
    "stage",
]

# What a decorator does not need is imported when it is first asked for.
_LAZY = {
    "Cache": "stagecache.cache",
    "configure": "stagecache.default",
    "current": "stagecache.default",
    "register_codec": "stagecache.codecs",
    "register_fingerprint": "stagecache.fingerprint.registry",
    "stable": "stagecache.fingerprint.stable",
    "memoize": "stagecache.memory.memoized",
    "Explanation": "stagecache.records",
    "Plan": "stagecache.records",
    "Run": "stagecache.records",
    "Replay": "stagecache.replay",
}


__getattr__ = late(__name__, _LAZY)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _default_conductor() -> model.Conductor:
    from stagecache.default import current

    return current().engine


model.set_default_conductor(_default_conductor)
