"""An envelope is whole, under its own name and signed by a known key, or it is none."""

from __future__ import annotations

import contextlib
import hmac
import os
from typing import get_args, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st
from xxhash import xxh3_128_digest

from stagecache.model import Digest, Entry, Key, Read
from stagecache.stores.shared.envelope import Refused, closed, is_foreign, is_signed, opened
from stagecache.stores.shared.fields import entry_from, said_of
from stagecache.stores.shared.keyring import Keyring

OLD, NEW = b"o" * 32, b"n" * 32
NAME = "team/e1/{00}"
digests = st.binary(min_size=16, max_size=16).map(Digest)
moments = st.floats(allow_nan=False, allow_infinity=False)
names = st.text(st.characters(exclude_characters="\0", exclude_categories=()), min_size=1)
reads = st.builds(
    Read,
    st.sampled_from(get_args(get_type_hints(Read)["kind"])),
    names,
    st.sampled_from([b"", b"d" * 16]).map(Digest),
)
entries = st.builds(
    Entry,
    key=digests.map(Key),
    result=digests,
    stage=names,
    code=st.sampled_from([b"", b"c" * 16]).map(Digest),
    codec=names,
    inline=st.none(),
    blob=st.none() | digests,
    size=st.integers(0, 2**63),
    created=moments,
    seconds=moments,
    generation=st.integers(0, 2**62),
    reads=st.lists(reads).map(tuple),
    refs=st.lists(names).map(tuple),
    items=st.none() | st.binary(),
    expires=st.none() | moments,
    parts=st.lists(digests.map(Key)).map(tuple),
    epoch=st.binary(),
)


def whole(name, said, sections, keyring):
    views = [memoryview(section) for section in sections]
    return b"".join(closed(name, said, views, keyring))


def found(name, data, keyring):
    envelope = opened(name, data, keyring)
    return envelope.said, [bytes(section) for section in envelope.sections]


@given(entries)
def test_an_entry_says_all_that_it_is(entry):
    # Who can have written it is not for it to say.
    assert entry_from(entry.key, said_of(entry)) == entry._replace(is_foreign=False)


@given(entries, st.data())
def test_what_no_entry_says_is_a_value_error(entry, data):
    said = bytearray(said_of(entry))
    at = data.draw(st.integers(0, len(said) - 1))
    said[at] ^= data.draw(st.integers(1, 255))
    cut = data.draw(st.integers(0, len(said)))
    for hostile in (bytes(said), bytes(said[:cut])):
        with contextlib.suppress(ValueError):
            assert isinstance(entry_from(entry.key, hostile), Entry)


def test_a_name_that_cannot_be_kept_is_said_so():
    entry = entry_from(Key(bytes(16)), said_of(_entry()))
    with pytest.raises(ValueError, match="NUL"):
        said_of(entry._replace(reads=(Read("missing", "a\0b", Digest(b"")),)))
    for fields in ({"stage": "x" * 70_000}, {"size": -1}, {"result": b""}, {"code": b"c" * 17}):
        with pytest.raises(ValueError, match=r"range|length"):
            said_of(entry._replace(**fields))


def _entry():
    return Entry(
        Key(bytes(16)), Digest(bytes(16)), "m:f", Digest(b""), "plain", None, None, 0, 1.0, 0
    )


@pytest.mark.parametrize("keyring", [None, Keyring([NEW, OLD])])
@given(said=st.binary(), sections=st.lists(st.binary(max_size=200)))
def test_what_was_put_into_an_envelope_comes_out(keyring, said, sections):
    data = whole(NAME, said, sections, keyring)
    assert found(NAME, data, keyring) == (said, sections)
    assert found(NAME, memoryview(data), keyring) == (said, sections)
    assert is_signed(data) == (keyring is not None)


@pytest.mark.parametrize("keyring", [None, Keyring([NEW])])
@pytest.mark.parametrize("sections", [[], [b"value"], [b"one", b"", b"two"]])
def test_every_changed_byte_is_refused(keyring, sections):
    data = whole(NAME, b"said", sections, keyring)
    for at in range(len(data)):
        for bit in (1, 128):
            changed = bytearray(data)
            changed[at] ^= bit
            with pytest.raises(Refused):
                opened(NAME, bytes(changed), keyring)


@pytest.mark.parametrize("keyring", [None, Keyring([NEW])])
def test_what_is_cut_short_or_goes_on_is_refused(keyring):
    data = whole(NAME, b"said", [b"value"], keyring)
    for size in range(len(data)):
        with pytest.raises(Refused):
            opened(NAME, data[:size], keyring)
    with pytest.raises(Refused):
        opened(NAME, data + b"\0", keyring)


@pytest.mark.parametrize("keyring", [None, Keyring([NEW])])
@pytest.mark.parametrize("name", ["team/e1/{01}", "mate/e1/{00}", "team/b1/{00}", ""])
def test_what_lies_under_another_name_is_refused(keyring, name):
    data = whole(NAME, b"said", [b"value"], keyring)
    with pytest.raises(Refused):
        opened(name, data, keyring)


def test_where_there_is_a_key_what_nobody_or_a_stranger_signed_is_refused():
    mine = Keyring([NEW])
    with pytest.raises(Refused, match="nobody"):
        opened(NAME, whole(NAME, b"said", [b"value"], None), mine)
    with pytest.raises(Refused, match="not here"):
        opened(NAME, whole(NAME, b"said", [b"value"], Keyring([OLD])), mine)


def test_a_stranger_who_claims_our_key_is_refused():
    mine = Keyring([NEW])
    forged = bytearray(whole(NAME, b"said", [b"value"], Keyring([OLD])))
    forged[8:16] = mine.signing.id
    with pytest.raises(Refused, match="signature"):
        opened(NAME, bytes(forged), mine)


def test_whoever_has_no_key_sees_damage_in_what_is_signed():
    data = whole(NAME, b"said", [b"value"], Keyring([NEW]))
    assert found(NAME, data, None) == (b"said", [b"value"])
    with pytest.raises(Refused, match="damaged"):
        opened(NAME, data.replace(b"value", b"valuE"), None)


def test_whose_signature_it_says_to_be_is_told_from_the_head_alone():
    mine, other = Keyring([NEW]), Keyring([OLD])
    by_me, by_nobody = (whole(NAME, b"said", [b"value"], ring) for ring in (mine, None))
    damaged = by_me[:-1] + b"?"
    for data in (by_me, damaged):
        assert is_signed(data)
        assert not is_foreign(data, mine)
        assert is_foreign(data, other)
        assert is_foreign(data, None)
    for data in (by_nobody, b"", b"noise"):
        assert not is_signed(data)
        assert not is_foreign(data, mine)


def test_each_of_several_keys_counts_and_the_first_one_signs():
    both = Keyring([NEW, OLD])
    assert found(NAME, whole(NAME, b"said", [], Keyring([OLD])), both)
    assert found(NAME, whole(NAME, b"said", [], both), Keyring([NEW]))
    with pytest.raises(Refused):
        opened(NAME, whole(NAME, b"said", [], both), Keyring([OLD]))


def test_lengths_are_checked_before_memory_is_taken():
    head = bytearray(whole(NAME, b"said", [b"value"], None))
    for at in (16, 20):  # of what is said, number of sections
        hostile = bytearray(head)
        hostile[at : at + 4] = b"\xff" * 4
        with pytest.raises(Refused, match="short"):
            opened(NAME, bytes(hostile), None)


def test_nothing_but_the_head_is_looked_at_before_the_signature_is_compared(monkeypatch):
    import stagecache.stores.shared.envelope as envelope

    seen = []

    class Spy:
        @staticmethod
        def unpack_from(*args):
            seen.append(args)
            raise AssertionError

        calcsize = staticmethod(len)

    data = bytearray(whole(NAME, os.urandom(50), [b"one", b"two"], Keyring([NEW])))
    data[-1] ^= 1
    monkeypatch.setattr(envelope, "struct", Spy)
    with pytest.raises(Refused, match="signature"):
        opened(NAME, bytes(data), Keyring([NEW]))
    assert not seen


def test_the_signature_is_the_documented_one():
    """So that another program could make and check it."""
    data = whole(NAME, b"said", [b"value"], Keyring([NEW]))
    domain = b"stagecache envelope 1\0" + b"%d\0" % len(NAME) + NAME.encode()
    assert data[-48:-32] == xxh3_128_digest(domain + data[:-48])
    assert data[-32:] == hmac.new(NEW, domain + data[:-32], "sha256").digest()


def test_long_and_short_are_signed_alike():
    sections = [os.urandom(150_000), os.urandom(10)]
    data = whole(NAME, b"said", sections, Keyring([NEW]))
    assert found(NAME, data, Keyring([NEW])) == (b"said", sections)
