"""The bytes of a blob and of an inline value: every list of sections comes back, aligned."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagecache.model import Key
from stagecache.stores.disk import layout
from stagecache.stores.disk.directory import file_system
from stagecache.stores.disk.forgotten import buried, bury, compact
from stagecache.stores.sections import address, flat, seal, unseal
from stagecache.testing.stores import make_entry

SECTIONS = st.lists(st.binary(max_size=200), max_size=6)


def blob(sections, header=b"{}", codec="pickle"):
    views = flat(sections)
    where = address(codec, views)
    top = layout.head(header, [view.nbytes for view in views])
    body = b"".join(bytes(view) + layout.padding(view.nbytes) for view in views)
    return top + body + layout.trailer(top, where), where


def check(whole, where):
    view = memoryview(whole)
    layout.check(view, layout.parse(view, len(whole)), "pickle", where)


@given(SECTIONS, st.binary(max_size=100))
def test_sections_and_header_come_back_from_a_blob_aligned(sections, header):
    whole, where = blob(sections, header)
    view = memoryview(whole)
    parts = layout.parse(view, len(whole))
    layout.check(view, parts, "pickle", where)
    assert parts.header == header
    assert [bytes(section) for section in layout.cut(view, parts)] == sections
    assert all(offset % layout.ALIGNMENT == 0 for offset, _ in parts.spans)


@given(SECTIONS, st.data())
def test_no_changed_byte_of_a_blob_passes(sections, data):
    whole, where = blob(sections)
    position = data.draw(st.integers(0, len(whole) - 1))
    damaged = bytearray(whole)
    damaged[position] ^= data.draw(st.integers(1, 255))
    with pytest.raises((layout.DamagedError, layout.ShortError)):
        check(bytes(damaged), where)


@given(st.binary(max_size=300))
def test_foreign_bytes_are_no_blob(foreign):
    with pytest.raises((layout.DamagedError, layout.ShortError)):
        check(foreign, bytes(16))


@given(SECTIONS)
def test_sections_come_back_from_an_inline_value(sections):
    entry = make_entry()
    entry = entry._replace(inline=seal(entry, flat(sections)))
    assert [bytes(section) for section in unseal(entry)] == sections


@given(SECTIONS, st.data())
def test_no_changed_byte_of_an_inline_value_passes(sections, data):
    entry = make_entry()
    damaged = bytearray(seal(entry, flat(sections)))
    damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= data.draw(st.integers(1, 255))
    assert unseal(entry._replace(inline=bytes(damaged))) is None
    assert unseal(entry._replace(inline=bytes(damaged[:-1]))) is None
    assert unseal(entry._replace(inline=b"")) is None


@given(SECTIONS, SECTIONS)
def test_only_equal_sections_have_one_address(one, other):
    assert (address("a", flat(one)) == address("a", flat(other))) == (one == other)
    assert address("a", flat(one)) != address("b", flat(one))


def test_buffers_of_any_shape_are_taken_as_bytes():
    numpy = pytest.importorskip("numpy")
    array = numpy.arange(6, dtype="int32").reshape(2, 3)
    assert [view.nbytes for view in flat([array, numpy.zeros((0, 3)), b"x"])] == [24, 0, 1]


def test_the_dead_stay_dead_and_torn_records_do_not_matter(tmp_path):
    path = str(tmp_path / "forgotten")
    assert buried(path) == {}
    one, other = make_entry().key, make_entry().key
    bury(path, [one, other], 5.0)
    bury(path, [one], 3.0)
    bury(path, [other], 7.0)
    assert buried(path) == {one: 5.0, other: 7.0}
    with open(path, "ab") as stream:
        stream.write(b"torn")
    assert buried(path) == {one: 5.0, other: 7.0}


def test_a_long_list_of_the_dead_is_shortened_to_one_record_a_key(tmp_path):
    path = str(tmp_path / "forgotten")
    compact(path)
    keys = [b"%016d" % number for number in range(1_000)]
    for until in range(2):
        bury(path, keys, until + 48.0)
    (tmp_path / "forgotten").write_bytes((tmp_path / "forgotten").read_bytes() * 25)
    compact(path)
    assert buried(path) == dict.fromkeys(keys, 49.0)
    assert (tmp_path / "forgotten").stat().st_size == 24_000


def test_file_systems_are_known_by_their_mount(tmp_path):
    assert file_system(str(tmp_path / "not" / "there")) == file_system(str(tmp_path))
    assert file_system("/proc") == "proc"
    assert file_system("\\\\server\\share") == "cifs"


def test_a_list_of_the_dead_is_shortened_as_it_grows(tmp_path):
    path = str(tmp_path / "forgotten")
    keys = [Key(b"%016d" % number) for number in range(1_000)]
    for round_ in range(100):
        bury(path, keys, float(round_))
    assert os.path.getsize(path) < 1 << 20
    assert buried(path) == dict.fromkeys(keys, 99.0)
