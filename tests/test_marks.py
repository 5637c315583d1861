"""Which results a mark concerns, whatever clocks say, and what is known when marks are lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagecache.marks import (
    EVERYTHING,
    MOST_KEYS,
    UNHEARD,
    Epoch,
    Log,
    Mark,
    Standing,
    from_bytes,
    key_scope,
    log_fields,
    log_of,
    stage_scope,
    tag_scope,
    to_bytes,
)
from stagecache.testing.stores import make_entry

STAGE = "etl:rates"
OWN, TEAM = Log("d1"), Log("t1")


def marked(log, *scopes, soft=False):
    return log.marked(scopes, soft=soft, by="nodeB", at=0.0)


def entry(numbers=(), scopes=(), **fields):
    return make_entry(stage=STAGE, epoch=Epoch(dict(numbers), tuple(scopes)).encoded(), **fields)


@pytest.mark.parametrize("scope", [EVERYTHING, stage_scope(STAGE), tag_scope("fx"), "key"])
@pytest.mark.parametrize("soft", [False, True])
def test_a_mark_concerns_what_was_made_before_it_and_nothing_else(scope, soft):
    before = entry(scopes=[tag_scope("fx")])
    scope = key_scope(before.key) if scope == "key" else scope
    log = marked(OWN, scope, soft=soft)
    found = Standing(log).outdated(before)
    assert (found.scope, found.is_soft, found.mark.by) == (scope, soft, "nodeB")
    after = before._replace(epoch=Epoch({"d1": 1}, ("tag fx",)).encoded())
    assert Standing(log).outdated(after) is None
    assert Standing(marked(OWN, "stage etl:other", "tag eu")).outdated(before) is None


def test_who_asks_counts_as_well_as_who_made_it():
    log = marked(OWN, stage_scope("new:name"), tag_scope("fx"))
    assert Standing(log).outdated(entry()) is None
    assert Standing(log).outdated(entry(), (stage_scope("new:name"),)).scope == "stage new:name"
    assert Standing(log).outdated(entry(), (tag_scope("fx"),)).subject == "tag 'fx'"
    # A tag that a stage got after its result was made, and after the tag was last invalidated.
    assert Standing(log).outdated(entry({"d1": 1}), (tag_scope("fx"),)) is None


def test_a_hard_mark_counts_before_a_soft_one():
    log = marked(marked(OWN, EVERYTHING, soft=True), stage_scope(STAGE))
    assert not Standing(log).outdated(entry()).is_soft
    assert Standing(log).outdated(entry({"d1": 1})).is_soft is False
    log = marked(marked(OWN, EVERYTHING), EVERYTHING, soft=True)
    assert Standing(log).outdated(entry({"d1": 1})).is_soft
    assert not Standing(log).outdated(entry()).is_soft


def test_marks_made_alone_do_not_concern_what_a_team_made():
    own = marked(OWN, EVERYTHING)
    standing = Standing(own, TEAM, joined="t1", settled=1)
    assert standing.outdated(entry({"t1": 0})) is None
    assert standing.outdated(entry()) is not None
    assert standing.outdated(entry({"d1": 1})) is None
    # One that was made since, while the team was out of reach, concerns all.
    standing = Standing(marked(own, EVERYTHING), TEAM, joined="t1", settled=1)
    assert standing.outdated(entry({"t1": 0})) is not None
    assert standing.outdated(entry({"t1": 0, "d1": 2})) is None
    # So does one that is made after the team was left.
    assert Standing(marked(OWN, EVERYTHING), joined="t1").outdated(entry({"t1": 0})) is not None


def test_what_was_made_alone_is_good_for_a_team_that_never_marked_it():
    standing = Standing(OWN, marked(TEAM, tag_scope("fx")), joined="t1")
    assert standing.outdated(entry()) is None
    assert standing.outdated(entry(scopes=["tag fx"])) is not None


def test_a_result_that_knows_of_a_lost_log_is_outdated():
    standing = Standing(OWN, Log("t2"), joined="t1")
    assert standing.outdated(entry({"t1": 5})).subject == "marks were lost"
    assert standing.outdated(entry()) is not None  # the lost marks may have concerned it
    assert standing.outdated(entry({"t2": 0})) is None
    assert Standing(OWN, Log("t2"), joined="t2").outdated(entry()) is None
    # A directory whose own marks are gone.
    assert Standing(OWN).outdated(entry({"d0": 1})) is not None
    # Marks that another directory has for itself alone are nothing to us.
    assert Standing(OWN, TEAM, joined="t1").outdated(entry({"d0": 1, "t1": 0})) is None


def test_a_result_made_before_the_team_was_heard_of_is_outdated_once_it_is():
    unheard = entry({UNHEARD: 0})
    assert Standing(OWN).outdated(unheard) is None
    assert Standing(OWN, TEAM, "t1").outdated(unheard).subject == "marks were lost"
    assert Standing(OWN, Log("")).outdated(unheard) is not None
    assert Standing(OWN).outdated(entry({"d0": 3, UNHEARD: 0})) is not None


def test_an_epoch_that_cannot_be_read_is_outdated():
    assert Standing(OWN).outdated(make_entry(epoch=b"\xff")) is not None
    assert Standing(OWN).outdated(make_entry(epoch=b"[1,2]")) is not None


def test_of_very_many_keys_the_oldest_share_a_mark_and_stay_outdated():
    keys = [make_entry().key for _ in range(MOST_KEYS + 300)]
    log = OWN
    for key in keys:
        log = marked(log, key_scope(key))
    assert len(log.marks) <= MOST_KEYS + 256
    standing = Standing(log)
    for number, key in enumerate(keys):
        assert standing.outdated(entry({"d1": number}, key=key)) is not None
        assert standing.outdated(entry({"d1": log.number}, key=key)) is None


marks = st.builds(Mark, st.integers(0, 99), st.integers(0, 99), st.text(), st.floats(0, 4e9))
logs = st.builds(Log, st.text(), st.integers(0, 99), st.dictionaries(st.text(), marks))


@given(logs, st.dictionaries(st.text(), st.integers(0, 99)), st.frozensets(st.text()))
def test_logs_and_epochs_come_back_as_they_were(log, numbers, scopes):
    assert log_of(from_bytes(to_bytes(log_fields(log)))) == log
    epoch = Epoch(numbers, tuple(sorted(scopes)))
    assert Epoch.of(epoch.encoded()) == epoch
    backwards = Epoch(dict(reversed(numbers.items())), tuple(sorted(scopes, reverse=True)))
    assert backwards.encoded() == epoch.encoded()


@given(logs, st.data())
def test_no_bit_of_marks_changes_unnoticed(log, data):
    sealed = bytearray(to_bytes(log_fields(log)))
    place = data.draw(st.integers(0, 8 * len(sealed) - 1))
    sealed[place // 8] ^= 1 << place % 8
    with pytest.raises(ValueError, match="damaged"):
        from_bytes(bytes(sealed))
