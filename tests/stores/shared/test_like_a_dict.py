"""Whatever is put, removed and asked for, under whatever names: a shelf does what a dict does."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stagecache.stores.shared.opening import open_shelf
from stagecache.testing.shelves import MemoryShelf

EXAMPLES = {"s3": 15}
"""How many are tried, where not 60."""

part = st.text("abcXYZ019_-{}", min_size=1, max_size=30)
name = st.lists(part, min_size=1, max_size=4).map("/".join)
value = st.lists(
    st.one_of(st.binary(max_size=200), st.binary(max_size=9).map(lambda part: part * 9_000)),
    max_size=4,
)
number = st.integers(0, 3)
step = st.one_of(
    st.tuples(st.just("put"), number, value, st.booleans()),
    st.tuples(st.just("remove"), st.lists(number, max_size=3)),
    st.tuples(st.just("get"), st.lists(number, max_size=5)),
)
runs = itertools.count()


def check(shelf, names, steps):
    names = [f"run{next(runs)}/{index}/{name}" for index, name in enumerate(names)]
    model: dict[str, bytes] = {}
    for verb, first, *rest in steps:
        if verb == "put":
            pieces, replace = rest
            kept = shelf.put(names[first], pieces, seconds=None, replace=replace)
            assert kept == (replace or names[first] not in model)
            if kept:
                model[names[first]] = b"".join(pieces)
        else:
            asked = [names[index] for index in first]
            if verb == "remove":
                shelf.remove(asked)
                for one in asked:
                    model.pop(one, None)
            found = {one: bytes(value) for one, value in shelf.get(asked).items()}
            assert found == {one: model[one] for one in asked if one in model}


@pytest.fixture(params=["redis", "cluster", "folder", "memory", "memcached", "s3", "testing"])
def shelf(request, tmp_path):
    def asked(fixture):
        return request.getfixturevalue(fixture)

    urls = {
        "redis": lambda: asked("redis_server").socket_url,
        "cluster": lambda: asked("redis_cluster").url,
        "folder": lambda: f"file://{tmp_path}/shelf",
        "memory": lambda: "memory:///",
        "memcached": lambda: asked("memcached").url,
        "s3": lambda: f"s3://{asked('s3_server').bucket()}",
    }
    shelf = open_shelf(urls[request.param]()) if request.param in urls else MemoryShelf()
    yield shelf
    shelf.close()


def test_a_shelf_does_what_a_dict_does(shelf, request):
    examples = EXAMPLES.get(request.node.callspec.params["shelf"], 60)

    @settings(
        max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), database=None
    )
    @given(st.lists(name, min_size=4, max_size=4), st.lists(step, max_size=12))
    def run(names, steps):
        check(shelf, names, steps)

    run()
