"""What every store must do: a contract to subclass in a test of one's own."""
# ruff: noqa: D102 - the names are the promises

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

import pytest

from stagecache.model import Argument, CodeManifest, Digest, Entry, Key, Provenance, Read

if TYPE_CHECKING:
    from stagecache.stores.base import Store

SMALL, LARGE = 100, 300_000


def make_entry(key: bytes | None = None, **fields: Any) -> Entry:
    """Return an entry as the engine hands it to ``put``: without ``inline`` and ``blob``.

    Parameters
    ----------
    key : bytes, optional
        16 bytes; random by default.
    **fields
        Of :class:`~stagecache.model.Entry`, in place of the defaults.

    Examples
    --------
    >>> make_entry(bytes(16), generation=2).generation
    2
    """
    entry = Entry(
        key=Key(key or os.urandom(16)),
        result=Digest(os.urandom(16)),
        stage="project:stage",
        code=Digest(bytes(16)),
        codec="pickle",
        inline=None,
        blob=None,
        size=0,
        created=1_700_000_000.5,
        seconds=1.5,
    )
    return entry._replace(**fields)


def make_provenance(entry: Entry) -> Provenance:
    """Return a provenance for `entry`."""
    file = Argument("path", Digest(bytes(16)), "File 2013-01.csv", is_file=True)
    parts = (("key 'low'", Digest(b"l" * 16)), ("key 'high'", Digest(b"h" * 16)))
    limits = Argument("limits", Digest(b"d" * 16), "dict of 2", parts=parts)
    return Provenance(entry.key, (file, limits), "host", 812, "3.11.7")


def put(store: Store, entry: Entry, *sections: Any) -> Entry:
    """Keep `entry` with these sections (one small one by default); return what stands."""
    return store.put(entry, sections or [b"value"], make_provenance(entry), None)


def put_part(store: Store, entry: Entry, holder: bytes, *sections: Any) -> Entry:
    """Keep a part, held by the key `holder`; return what stands."""
    provenance = Provenance(Key(holder), (), "", 0, "")
    return store.put(entry, sections or [b"part"], provenance, None)


def load(store: Store, entry: Entry) -> list[bytes] | None:
    """Return copies of the sections of an entry's value."""
    sections = store.load(entry)
    return None if sections is None else [bytes(section) for section in sections]


class StoreContract:
    """Promises that every store keeps.

    Examples
    --------
    >>> from stagecache.stores.memory import MemoryStore
    >>> class TestMemoryStore(StoreContract):
    ...     @pytest.fixture
    ...     def store(self):
    ...         return MemoryStore()
    """

    @pytest.fixture
    def store(self) -> Store:
        """Return an empty store; subclasses say which."""
        raise NotImplementedError

    def test_what_was_never_put_is_a_miss(self, store: Store) -> None:
        key = make_entry().key
        assert store.get(key) is None
        assert store.get_many([key]) == {}
        assert store.remove([key]) == 0

    @pytest.mark.parametrize("size", [0, SMALL, LARGE])
    def test_a_put_value_is_found_and_loaded(self, store: Store, size: int) -> None:
        value = os.urandom(size)
        entry = put(store, make_entry(), value)
        assert entry.size == size
        assert (entry.inline is None) != (entry.blob is None)
        assert store.get(entry.key) == entry
        assert load(store, entry) == [value]

    def test_every_field_of_an_entry_comes_back(self, store: Store) -> None:
        entry = put(
            store,
            make_entry(
                generation=3,
                reads=(
                    Read("file", "a.csv", Digest(bytes(16))),
                    Read("missing", "\udcff", Digest(b"")),
                ),
                refs=("project:Model",),
                items=bytes(48),
            ),
        )
        found = store.get(entry.key)
        assert found == entry
        assert isinstance(found, Entry)
        assert isinstance(found.reads[0], Read)

    @pytest.mark.parametrize("size", [SMALL, LARGE])
    def test_an_entry_comes_back_with_the_keys_of_its_parts(self, store: Store, size: int) -> None:
        writer = make_entry().key
        parts = [put_part(store, make_entry(stage=""), writer, os.urandom(size)) for _ in range(3)]
        keys = tuple(part.key for part in parts)
        holder = put(store, make_entry(parts=(*keys, keys[0])), b"skeleton")
        store.remove([writer])
        assert store.get(holder.key) == holder
        assert holder.parts == (*keys, keys[0])
        assert store.get_many(keys) == {part.key: part for part in parts}
        assert [len(load(store, part)[0]) for part in parts] == [size] * 3  # type: ignore[index]

    @pytest.mark.parametrize("size", [SMALL, LARGE])
    def test_sections_come_back_one_by_one(self, store: Store, size: int) -> None:
        sections = [b"", os.urandom(size), bytearray(b"abc"), b"", memoryview(os.urandom(77))]
        entry = put(store, make_entry(), *sections)
        assert load(store, entry) == [bytes(section) for section in sections]

    def test_a_value_without_sections_is_no_miss(self, store: Store) -> None:
        entry = store.put(make_entry(), [], make_provenance(make_entry()), None)
        assert load(store, entry) == []

    @pytest.mark.parametrize("size", [SMALL, LARGE])
    def test_what_the_caller_does_to_its_buffer_later_changes_nothing(
        self, store: Store, size: int
    ) -> None:
        mine = bytearray(size)
        entry = put(store, make_entry(), mine)
        mine[0] = 1
        assert load(store, entry) == [bytes(size)]

    @pytest.mark.parametrize("size", [SMALL, LARGE])
    def test_what_a_caller_does_to_a_loaded_value_changes_nothing(
        self, store: Store, size: int
    ) -> None:
        entry = put(store, make_entry(), bytes(size))
        for section in store.load(entry) or []:
            if not section.readonly:
                section[0] = 1
        assert load(store, entry) == [bytes(size)]

    def test_the_first_result_stands(self, store: Store) -> None:
        first = put(store, make_entry(), b"first")
        second = put(store, make_entry(first.key), b"second")
        assert second == first == store.get(first.key)
        assert load(store, first) == [b"first"]

    @pytest.mark.parametrize("size", [SMALL, LARGE])
    def test_only_a_greater_generation_replaces(self, store: Store, size: int) -> None:
        first = put(store, make_entry(generation=1), b"1" * size)
        older = put(store, make_entry(first.key, generation=0), b"0" * size)
        assert older == first
        newer = put(store, make_entry(first.key, generation=2), b"2" * size)
        assert newer == store.get(first.key)
        assert newer.generation == 2
        assert load(store, newer) == [b"2" * size]

    def test_many_keys_are_looked_up_at_once(self, store: Store) -> None:
        kept = [put(store, make_entry()) for _ in range(20)]
        asked = [entry.key for entry in kept[:15]] + [make_entry().key]
        assert store.get_many(asked) == {entry.key: entry for entry in kept[:15]}
        assert store.get_many([]) == {}

    @pytest.mark.parametrize("size", [SMALL, LARGE])
    def test_what_is_removed_is_gone(self, store: Store, size: int) -> None:
        kept, gone = put(store, make_entry(), b"1" * size), put(store, make_entry(), b"2" * size)
        assert store.remove([gone.key, make_entry().key]) == 1
        assert store.get(gone.key) is None
        assert store.get(kept.key) == kept
        assert load(store, kept) == [b"1" * size]

    def test_equal_values_under_two_keys_survive_the_removal_of_one(self, store: Store) -> None:
        value = os.urandom(LARGE)
        kept, gone = put(store, make_entry(), value), put(store, make_entry(), value)
        store.remove([gone.key])
        assert load(store, kept) == [value]

    def test_equal_bytes_of_two_codecs_are_two_values(self, store: Store) -> None:
        value = os.urandom(LARGE)
        one = put(store, make_entry(codec="pickle"), value)
        other = put(store, make_entry(codec="array"), value)
        assert one.blob != other.blob
        assert load(store, one) == load(store, other) == [value]

    def test_of_threads_that_put_one_key_one_wins(self, store: Store) -> None:
        key = make_entry().key
        barrier = threading.Barrier(4)
        stood: list[Entry] = []

        def work(number: int) -> None:
            barrier.wait()
            stood.append(put(store, make_entry(key), b"%d" % number))

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert set(stood) == {store.get(key)}

    def test_threads_put_and_get_side_by_side(self, store: Store) -> None:
        barrier = threading.Barrier(4)
        failures: list[object] = []

        def work() -> None:
            barrier.wait()
            for number in range(25):
                value = os.urandom(SMALL if number % 5 else 20_000)
                entry = put(store, make_entry(), value)
                if store.get(entry.key) != entry or load(store, entry) != [value]:
                    failures.append(entry)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures

    def test_a_closed_store_can_be_closed_again(self, store: Store) -> None:
        put(store, make_entry())
        store.close()
        store.close()

    def test_a_manifest_may_come_again(self, store: Store) -> None:
        for _ in range(2):
            entry = make_entry()
            manifest = CodeManifest(entry.code, (), ("db",))
            store.put(entry, [b"value"], make_provenance(entry), manifest)
            assert store.get(entry.key) is not None
