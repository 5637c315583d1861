"""The suites that dogpile.cache ships for backends, for ours."""

from __future__ import annotations

import pytest
from dogpile.testing import fixtures

import stagecache.integrations.dogpile

MARKS = pytest.mark.filterwarnings("ignore:The backend stagecache does not know arbitrary")
PLACES = ("disk", "memory", "shelf")


def arguments(place, folder):
    """What a region is configured with to lie there."""
    return {
        "disk": {"directory": str(folder / "cache")},
        "memory": {"directory": ":memory:", "memory": "1 MB"},
        "shelf": {"url": f"file://{folder}/shelf", "directory": str(folder / "cache")},
    }[place]


class Backend(fixtures._GenericBackendTestSuite):
    backend = "stagecache"


class Serializer(fixtures._GenericSerializerTestSuite, fixtures._GenericBackendTestSuite):
    backend = "stagecache"


class OurRegion(Backend):
    """The same with a region of ours."""

    @pytest.fixture(autouse=True)
    def _ours(self, monkeypatch):
        monkeypatch.setattr(fixtures, "CacheRegion", stagecache.integrations.dogpile.Region)


class Mutex(fixtures._GenericMutexTestSuite):
    backend = "stagecache"
