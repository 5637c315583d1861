"""What is believed of what a shelf gives, and what becomes of the rest."""

from __future__ import annotations

import os
import warnings
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from servers.shelves import Counting, flip

from stagecache.errors import StagecacheWarning
from stagecache.stores.shared.keyring import Keyring
from stagecache.stores.shared.opening import open_shelf
from stagecache.stores.shared.store import INLINE_LIMIT, SharedStore
from stagecache.testing.shelves import MemoryShelf, together
from stagecache.testing.stores import load, make_entry, put, put_part

KEYS = Keyring([b"k" * 32])
TEAM = {"namespace": "team", "keyring": KEYS, "allow_pickle": True}


def safe(**fields):
    return make_entry(codec="plain", **fields)


SMALL, LARGE = b"v" * 100, b"v" * (INLINE_LIMIT + 1)
SIZES = pytest.mark.parametrize("value", [SMALL, LARGE], ids=["small", "large"])
TRUST = pytest.mark.parametrize("keyring", [None, KEYS], ids=["unsigned", "signed"])
REFUSED = pytest.warns(StagecacheWarning, match="not to be believed")


# What is gone, and what cannot be believed


@TRUST
def test_an_entry_whose_value_has_gone_is_a_miss_that_a_later_put_heals(keyring):
    shelf = Counting()
    store = SharedStore(shelf, namespace="team", keyring=keyring)
    entry = put(store, safe(), LARGE)
    shelf.remove([store._large.name(entry.blob)])
    assert store.load(entry) is None
    assert store.refused == 0
    assert load(store, put(store, safe(key=entry.key), LARGE)) == [LARGE]


def test_a_put_heals_also_with_another_value():
    shelf = MemoryShelf()
    store = SharedStore(shelf, **TEAM)
    entry = put(store, safe(), LARGE)
    shelf.remove([store._large.name(entry.blob)])
    assert store.load(entry) is None
    healed = put(store, safe(key=entry.key), b"w" * len(LARGE))
    assert healed == store.get(entry.key) != entry
    assert load(store, healed) == [b"w" * len(LARGE)]


@TRUST
def test_a_damaged_value_is_a_miss_that_a_put_on_another_machine_heals(keyring):
    shelf = Counting()
    store = SharedStore(shelf, namespace="team", keyring=keyring)
    entry = put(store, safe(), LARGE)
    shelf.change(store._large.name(entry.blob), flip(shelf.bytes(store._large.name(entry.blob))))
    with REFUSED:
        assert store.load(entry) is None
    other = SharedStore(shelf, namespace="team", keyring=keyring)
    healed = put(other, safe(key=entry.key, generation=1), LARGE)
    assert load(other, healed) == load(store, healed) == [LARGE]


@SIZES
@TRUST
def test_an_entry_that_is_not_to_be_believed_is_a_miss_and_replaced(keyring, value):
    shelf = Counting()
    store = SharedStore(shelf, namespace="team", keyring=keyring)
    entry = put(store, safe(), value)
    shelf.change(store._name(entry.key), flip(shelf.bytes(store._name(entry.key))))
    with REFUSED:
        assert store.get(entry.key) is None
    assert store.get_many([entry.key]) == {}
    mended = put(store, safe(key=entry.key), value)
    assert store.get(entry.key) == mended
    assert load(store, mended) == [value]


def test_what_is_not_to_be_believed_is_counted_each_time_and_told_of_once():
    shelf = Counting()
    store = SharedStore(shelf, **TEAM)
    keys = [put(store, safe()).key for _ in range(10)]
    for name in shelf.names:
        shelf.change(name, flip(shelf.bytes(name)))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert store.get_many(keys) == {}
        assert store.get(keys[0]) is None
    assert store.refused == 11
    assert len(caught) == 1
    text = str(caught[0].message)
    assert "memory" in text
    assert "signature" in text


def test_a_value_of_another_codec_than_the_entry_says_is_a_miss():
    store = SharedStore(MemoryShelf(), **TEAM)
    entry = put(store, safe(), LARGE)
    assert store.load(entry._replace(codec="array")) is None


def test_a_result_without_one_of_its_parts_is_not_kept():
    shelf = Counting()
    store = SharedStore(shelf, **TEAM)
    holder = safe(parts=(make_entry().key,))
    assert not put(store, holder).has_value
    assert shelf.names == []


def test_a_result_that_lost_a_part_is_replaced():
    store = SharedStore(MemoryShelf(), **TEAM)
    old, new = (put_part(store, safe(stage=""), b"w" * 16, text) for text in (b"old", b"new"))
    holder = put(store, safe(parts=(old.key,)))
    assert put(store, safe(key=holder.key, parts=(new.key,))) == holder
    store.remove([old.key])
    replaced = put(store, safe(key=holder.key, parts=(new.key,)))
    assert replaced == store.get(holder.key)
    assert replaced.parts == (new.key,)
    assert replaced.size == len(b"value") + len(b"new")


def test_a_result_that_came_late_does_not_write_over_a_newer_one():
    store = SharedStore(MemoryShelf(), **TEAM)
    newest = put(store, safe(generation=5), b"newest")
    for generation in (0, 4, 5):
        assert put(store, safe(key=newest.key, generation=generation), b"late") == newest
    assert load(store, store.get(newest.key)) == [b"newest"]


# Who is believed


@SIZES
def test_without_a_key_nothing_that_can_run_code_is_kept_or_read(value):
    shelf = Counting()
    team, public = SharedStore(shelf, **TEAM), SharedStore(shelf, namespace="team")
    assert not put(public, make_entry(codec="pickle"), value).has_value
    assert not put(public, make_entry(codec="pickle+zstd"), value).has_value
    assert not put(public, safe(refs=("project:Model",)), value).has_value
    assert shelf.names == []
    for fields in ({"codec": "pickle"}, {"codec": "unheard-of"}, {"refs": ("project:Model",)}):
        entry = put(team, make_entry(**{"codec": "plain"} | fields), value)
        assert public.get(entry.key) is None
        assert public.load(entry) is None
        assert public.refused == 0


@SIZES
def test_a_key_alone_lets_no_pickle_in(value):
    shelf = MemoryShelf()
    team = SharedStore(shelf, **TEAM)
    careful = SharedStore(shelf, namespace="team", keyring=KEYS)
    entry = put(team, make_entry(codec="pickle"), value)
    assert careful.get(entry.key) is None
    assert not careful.private
    # What all can read takes the place of what some cannot.
    common = put(careful, safe(key=entry.key), value)
    assert team.get(entry.key) == careful.get(entry.key) == common


def test_pickles_without_a_key_are_not_allowed_by_saying_so():
    store = SharedStore(MemoryShelf(), namespace="team", allow_pickle=True)
    assert not store.private
    assert not store.vouches_for(make_entry())
    assert not put(store, make_entry(codec="pickle")).has_value


@SIZES
def test_with_a_key_what_nobody_signed_is_a_miss_and_replaced(value):
    shelf = MemoryShelf()
    public = SharedStore(shelf, namespace="team")
    team = SharedStore(shelf, namespace="team", keyring=KEYS)
    entry = put(public, safe(), value)
    with REFUSED:
        assert team.get(entry.key) is None
    signed = put(team, safe(key=entry.key), b"w" + value)
    assert load(team, team.get(entry.key)) == [b"w" + value]
    # Whoever has no key reads it, and does not write over it.
    assert public.get(entry.key) == signed
    assert put(public, safe(key=entry.key), value) == signed


def test_who_has_no_key_does_not_write_over_a_signed_pickle():
    shelf = MemoryShelf()
    team, public = SharedStore(shelf, **TEAM), SharedStore(shelf, namespace="team")
    entry = put(team, make_entry(codec="pickle"))
    assert not put(public, safe(key=entry.key)).has_value
    assert team.get(entry.key) == entry


def test_a_key_can_be_changed_while_everybody_works():
    shelf = MemoryShelf()
    old, new = b"o" * 32, b"n" * 32
    rings = [Keyring([old]), Keyring([old, new]), Keyring([new, old]), Keyring([new])]
    stores = [SharedStore(shelf, namespace="team", keyring=ring) for ring in rings]
    for before, after in pairwise(stores):
        for one, other in ((before, after), (after, before)):
            entry = put(one, safe(), os.urandom(INLINE_LIMIT + 1))
            assert load(other, other.get(entry.key)) is not None
    assert [store.refused for store in stores] == [0, 0, 0, 0]


# Whatever happens to what lies there

DEEDS = st.lists(
    st.tuples(
        st.sampled_from(["put", "renew", "look", "lose", "damage", "swap", "remove"]),
        st.integers(0, 3),
        st.integers(0, 3),
    ),
    max_size=40,
)


@pytest.mark.filterwarnings("ignore::stagecache.errors.StagecacheWarning")
@given(deeds=DEEDS, keyring=st.sampled_from([None, KEYS]))
def test_a_value_is_right_or_missing_and_comes_back(deeds, keyring):
    def look(store, key):
        entry = store.get(key)
        return None if entry is None else load(store, entry)

    shelf = Counting()
    stores = [SharedStore(shelf, namespace="team", keyring=keyring) for _ in range(2)]
    keys = [bytes([number]) * 16 for number in range(4)]
    values = [b"a", b"b" * 100, b"c" * len(LARGE), b"d" * len(LARGE)]
    generations = [0] * 4
    for number, (deed, one, other) in enumerate(deeds):
        store = stores[number % 2]
        if deed == "put":
            put(store, safe(key=keys[one]), values[one])
        elif deed == "renew":
            generations[one] += 1
            put(store, safe(key=keys[one], generation=generations[one]), values[one])
        elif deed == "remove":
            store.remove([keys[one]])
        elif shelf.names and deed != "look":
            name, second = (shelf.names[at % len(shelf.names)] for at in (one, other))
            if deed == "lose":
                shelf.remove([name])
            else:
                instead = flip(shelf.bytes(name)) if deed == "damage" else shelf.bytes(second)
                shelf.change(name, instead)
        for key, value in zip(keys, values, strict=True):
            assert all(look(reader, key) in (None, [value]) for reader in stores)
    # A damaged value that no entry names is found by whoever looks it up, so it takes two puts.
    for _ in range(2):
        for key, value in zip(keys, values, strict=True):
            if look(stores[0], key) is None:
                standing = stores[0].get(key)
                generation = 0 if standing is None else standing.generation + 1
                put(stores[0], safe(key=key, generation=generation), value)
            look(stores[0], key)
    assert [[look(store, key) for key in keys] for store in stores] == [[[v] for v in values]] * 2


def test_of_many_who_renew_at_once_one_stands_whole(redis_server):
    store = SharedStore(open_shelf(redis_server.url), **TEAM)
    key = make_entry().key

    def renew(number):
        return put(store, make_entry(key, generation=number), b"%d" % number * len(LARGE))

    stood = together(8, renew)
    standing = store.get(key)
    assert load(store, standing) == [b"%d" % standing.generation * len(LARGE)]
    assert max(entry.generation for entry in stood) == 7
    store.close()
