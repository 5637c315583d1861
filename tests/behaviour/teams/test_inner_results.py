"""What one machine refreshes or forgets reaches what others made of it in their bodies."""

from __future__ import annotations

from typing import Any

import pytest

from stagecache import stage


@pytest.fixture
def says() -> dict[str, Any]:
    """What the world says that no key can see."""
    return {"is": 1, "ran": []}


@stage(ignore=("says",))
def inner(x: int, says: Any = None) -> int:
    says["ran"].append("inner")
    return int(says["is"])


@stage(ignore=("says",))
def outer(x: int, says: Any = None) -> str:
    says["ran"].append("outer")
    return f"made of {inner(x, says)}"


def test_others_make_anew_what_rests_on_a_refreshed_result(host, shared, says):
    one, other, third = (host(name, coherence=0, **shared) for name in ("one", "other", "third"))
    for machine in (one, other):
        with machine:
            assert outer(2, says) == "made of 1"
    assert says["ran"] == ["outer", "inner"]
    says["is"] = 3
    with one:
        inner.refresh(2, says)
        says["ran"].clear()
        assert not outer.is_cached(2, says)
        assert outer(2, says) == "made of 3"
        assert says["ran"] == ["outer"]
    for machine in (other, third):  # one has the old ones, the other has none
        with machine:
            assert outer(2, says) == "made of 3"
            assert outer.is_cached(2, says)
    assert says["ran"] == ["outer"], "what one machine has made anew serves all"


def test_others_that_have_only_the_result_above_hear_of_it_too(host, shared, says):
    one, other = (host(name, coherence=0, **shared) for name in ("one", "other"))
    with one:
        outer(2, says)
    with other:
        assert outer(2, says) == "made of 1"
    with one:
        inner.refresh(2, says)  # the same
    with other:
        assert outer.is_cached(2, says)
    says["is"] = 3
    with one:
        inner.refresh(2, says)
    with other:
        assert not outer.is_cached(2, says)
        assert "was refreshed" in str(outer.explain(2, says))


def test_others_make_anew_what_rests_on_a_forgotten_result(host, shared, says):
    one, other = (host(name, coherence=0, **shared) for name in ("one", "other"))
    with one:
        outer(2, says)
    with other:
        outer(2, says)
    says["is"] = 3
    with one:
        assert inner.forget(2, says)
    with other:
        assert outer(2, says) == "made of 3"
