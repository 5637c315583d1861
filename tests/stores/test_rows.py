"""What rows say of a result's arguments is read again, also where an earlier version wrote it."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from stagecache.model import Argument, Provenance
from stagecache.stores.disk.rows import provenance_of, provenance_text

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
