"""The suites that dogpile.cache ships for backends, on each of our places.

What takes long in them is tried on the disk; on the others `tests/torture/test_dogpile` does it.
"""

from __future__ import annotations

import pytest

pytest.importorskip("dogpile.cache")
from integrations import dogpile_suites as suites

pytestmark = suites.MARKS


@pytest.fixture(scope="class", params=suites.PLACES, autouse=True)
def _place(request, tmp_path_factory):
    request.cls.config_args = {
        "arguments": suites.arguments(request.param, tmp_path_factory.mktemp("region"))
    }


@pytest.fixture(autouse=True)
def _ordinary(request):
    if request.node.get_closest_marker("time_intensive") is None:
        return
    is_on_disk = request.cls.config_args["arguments"].keys() == {"directory"}
    is_first = request.cls in (TestBackend, TestMutex)
    if not (is_on_disk and is_first) or request.node.originalname == "test_threaded_get_multi":
        pytest.skip("takes long: see tests/torture/test_dogpile.py")


class TestBackend(suites.Backend):
    pass


class TestSerializer(suites.Serializer):
    pass


class TestOurRegion(suites.OurRegion):
    pass


class TestMutex(suites.Mutex):
    pass
