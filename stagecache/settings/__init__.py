"""What was asked of stagecache: every setting, from wherever it was given."""

from stagecache.settings.compressions import COMPRESSIONS, parse_compression
from stagecache.settings.measures import parse_duration, parse_size
from stagecache.settings.places import project_root
from stagecache.settings.precedence import (
    DEFAULT,
    Settings,
    origins,
    resolve,
    resolve_and_say,
)
from stagecache.settings.values import MEMORY_ONLY

__all__ = [
    "COMPRESSIONS",
    "DEFAULT",
    "MEMORY_ONLY",
    "Settings",
    "origins",
    "parse_compression",
    "parse_duration",
    "parse_size",
    "project_root",
    "resolve",
    "resolve_and_say",
]
