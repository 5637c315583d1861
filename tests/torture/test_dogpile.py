"""The suites that dogpile.cache ships for backends, in full, on a disk, in memory, on shelves."""

from __future__ import annotations

import pytest

pytest.importorskip("dogpile.cache")
from integrations import dogpile_suites as suites

pytestmark = suites.MARKS


@pytest.fixture(scope="class", params=[*suites.PLACES, "redis"], autouse=True)
def _place(request, tmp_path_factory, _redis_server_of_all):
    if request.param == "redis":
        arguments = {"url": _redis_server_of_all.url}
    else:
        arguments = suites.arguments(request.param, tmp_path_factory.mktemp("region"))
    request.cls.config_args = {"arguments": arguments}


class TestBackend(suites.Backend):
    pass


class TestSerializer(suites.Serializer):
    pass


class TestOurRegion(suites.OurRegion):
    pass


class TestMutex(suites.Mutex):
    pass
