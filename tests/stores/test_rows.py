"""What rows say of a result's arguments is read again, also where an earlier version wrote it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagecache.model import Argument, Provenance
from stagecache.stores.disk.rows import (
    COLUMNS,
    entry_of,
    from_header,
    header_fields,
    provenance_of,
    provenance_text,
    row_of,
)
from stagecache.testing.stores import make_entry, make_provenance

KEY = b"k" * 16
digests = st.binary(min_size=16, max_size=16)
parts = st.lists(st.tuples(st.text(), digests), max_size=5).map(tuple)
arguments = st.builds(Argument, st.text(), digests, st.text(), st.booleans(), parts)


@given(st.lists(arguments, max_size=4).map(tuple))
def test_a_provenance_comes_back_with_the_parts_of_its_arguments(given_arguments):
    provenance = Provenance(KEY, given_arguments, "host", 1, "3.11.7")
    assert provenance_of(KEY, provenance_text(provenance)) == provenance


def test_a_row_written_before_there_were_parts_still_reads():
    text = json.dumps([[["x", "00" * 16, "int 5", False]], "host", 1, "3.11.7"])
    (argument,) = provenance_of(KEY, text).arguments
    assert argument == Argument("x", bytes(16), "int 5")
    assert argument.parts == ()


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("result", "r" * 16), ("stage", b"m:f"), ("code", "c" * 16), ("codec", b"plain"),
        ("inline", "value"), ("blob", "b" * 16), ("created", 4_000_000_000_000_000_000),
        ("seconds", None), ("epoch", "text"),
    ],
)  # fmt: skip
def test_a_row_whose_column_became_of_another_type_cannot_be_read(column, value):
    entry = make_entry()
    row = list(row_of(entry)[1:])
    assert entry_of(entry.key, tuple(row)) == entry
    row[COLUMNS.split(", ").index(column)] = value
    with pytest.raises(TypeError):
        entry_of(entry.key, tuple(row))


@pytest.mark.parametrize("epoch", [b"", b"[[],[]]"])
def test_what_marks_a_result_knew_is_kept_in_its_row_and_in_its_blob(epoch):
    entry = make_entry(epoch=epoch)
    assert entry_of(entry.key, row_of(entry)[1:]).epoch == epoch
    fields = header_fields(entry, make_provenance(entry))
    assert from_header(fields, b"b" * 16)[0].epoch == epoch
