"""A node used as if it were a value says what to write instead."""

from __future__ import annotations

import copy
import pickle

import pytest

import stagecache
from stagecache import TraceError


@stagecache.stage
def number(x: int = 1) -> int:
    return x


MISUSES = {
    "condition": lambda node: 1 if node else 2,
    "not": lambda node: not node,
    "addition": lambda node: node + 1,
    "reflected addition": lambda node: 1 + node,
    "comparison": lambda node: node < 3,
    "equality": lambda node: node == 3,
    "length": lambda node: len(node),
    "string": lambda node: str(node),
    "format": lambda node: f"{node}.csv",
    "attribute": lambda node: node.columns,
    "method": lambda node: node.sum(),
    "call": lambda node: node(),
    "loop": lambda node: [2 * x for x in node],
    "int": lambda node: int(node),
    "range": lambda node: range(node),
    "copy": lambda node: copy.deepcopy(node),
    "pickle": lambda node: pickle.dumps(node),
    "assignment": lambda node: node.__setitem__("x", 1),
    "membership": lambda node: 3 in node,
}


@pytest.mark.parametrize("misuse", MISUSES.values(), ids=MISUSES)
def test_using_a_node_as_a_value_is_an_error_that_names_the_node(cache, misuse):
    @stagecache.pipeline
    def wrong():
        return misuse(number())

    with pytest.raises(TraceError, match="<node number>"):
        wrong.run()


def test_a_node_outside_its_pipeline_is_an_error(cache):
    kept = []

    @stagecache.pipeline
    def leak():
        kept.append(number())
        return kept[0]

    leak.run()

    @stagecache.pipeline
    def other():
        return number(kept[0])

    with pytest.raises(TraceError, match="another pipeline"):
        other.run()
    with pytest.raises(stagecache.StagecacheError, match="node number"):
        number(kept[0])


def test_asking_a_stage_about_results_inside_a_pipeline_is_an_error(cache):
    @stagecache.pipeline
    def wrong():
        return number.is_cached(1)

    with pytest.raises(TraceError, match="inside the pipeline function"):
        wrong()


def test_nodes_unpack_as_the_use_or_the_annotation_says(cache):
    @stagecache.stage
    def pair():
        return 1, {"k": [2, 3]}

    @stagecache.stage
    def triple() -> tuple[int, int, int]:
        return 4, 5, 6

    @stagecache.pipeline
    def use():
        one, rest = pair()
        two, three = rest["k"]
        return [one, two, three, *triple()]

    assert use() == [1, 2, 3, 4, 5, 6]
    assert use.run().ran == ()


def test_elements_are_called_by_their_node_and_index(cache):
    @stagecache.stage
    def halves(x: int) -> dict:
        return {"low": x // 2, "high": x - x // 2}

    @stagecache.stage
    def double(x: int) -> int:
        return 2 * x

    @stagecache.pipeline
    def job() -> int:
        part = halves(7)["high"]
        assert repr(part) == "<node halves['high']>"
        return double(part)

    assert job() == 8
    ((_, provenance),) = cache.entries(stage=double.qualified_name)
    assert provenance.arguments[0].label == "halves['high']"
