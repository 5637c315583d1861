"""What every codec must do: a contract to subclass in a test of one's own."""
# ruff: noqa: D102 - the names are the promises

from __future__ import annotations

import pickle
import random
import subprocess
import sys
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from stagecache.codecs.choose import encode
from stagecache.errors import DecodeError
from stagecache.model import Digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from stagecache.codecs.base import Codec

_CHILD = """
import contextlib, os, pickle, sys
from stagecache.errors import DecodeError
codec, damaged = pickle.load(sys.stdin.buffer)
for sections in damaged:
    with contextlib.suppress(DecodeError):
        value = codec.decode([memoryview(section) for section in sections])
        with contextlib.suppress(BaseException):  # a wrong date may have no repr, but no crash
            repr(value)
print(len(damaged), flush=True)
os._exit(0)  # what Arrow's thread pool does while the interpreter is taken down is not promised
"""
_FLIPS = 40


class CodecContract(ABC):
    """Promises about one codec and a list of values that it holds.

    Examples
    --------
    A test of one's own codec::

        class TestMine(CodecContract):
            codec = Mine()

            def values(self):
                return [Mine.Thing(1), Mine.Thing(2)]

            def fingerprint(self, value):
                return repr(value).encode()
    """

    codec: Codec

    @abstractmethod
    def values(self) -> Iterable[object]:
        """Return values that the codec holds exactly, made anew at each call."""

    @abstractmethod
    def fingerprint(self, value: Any) -> bytes:
        """Return something that is equal only for exactly the same value."""

    def mutate(self, value: Any) -> None:
        """Change `value` in place if it can be; override for other types."""
        if isinstance(value, list):
            value.append("changed")
        elif isinstance(value, dict):
            value["changed"] = True
        elif isinstance(value, set):
            value.add("changed")

    def test_accepts_its_values(self) -> None:
        assert all(self.codec.accepts(value) for value in self.values())

    def test_gives_back_exactly_the_same_value(self) -> None:
        for value in self.values():
            kept = _stored(self.codec.encode(value))
            for sections in (_inline(kept), _mapped(kept)):
                assert self.fingerprint(self.codec.decode(sections)) == self.fingerprint(value)

    def test_passes_its_own_proof(self) -> None:
        for value in self.values():
            name, _ = encode(
                value,
                wanted=self.codec.name,
                private=True,
                proof=lambda seen: Digest(self.fingerprint(seen)),
                expected=Digest(self.fingerprint(value)),
            )
            assert name == self.codec.name

    def test_encoding_changes_nothing(self) -> None:
        for value in self.values():
            before = self.fingerprint(value)
            self.codec.encode(value)
            assert self.fingerprint(value) == before

    def test_changing_a_decoded_value_changes_no_other(self) -> None:
        for value in self.values():
            kept = _stored(self.codec.encode(value))
            sections = _inline(kept)
            self.mutate(self.codec.decode(sections))
            self.mutate(self.codec.decode(_mapped(kept)))
            assert self.fingerprint(self.codec.decode(sections)) == self.fingerprint(value)
            assert kept == _stored(sections)

    def test_sections_cut_short_raise_nothing_but_decode_errors(self) -> None:
        damaged = []
        for value in self.values():
            kept = _stored(self.codec.encode(value))
            damaged.append(kept[:-1])
            for index, section in enumerate(kept):
                ends = {0, 1, len(section) // 2, len(section) - 1} & set(range(len(section)))
                damaged += [[*kept[:index], section[:end], *kept[index + 1 :]] for end in ends]
        self._survives(damaged)

    def test_foreign_sections_are_decode_errors(self) -> None:
        foreign: list[list[bytes]] = [[], [b""], [b"", b""], [b"\0" * 64], [b"foreign"] * 3]
        for sections in foreign:
            try:
                self.codec.decode(_inline(sections))
            except DecodeError:
                continue
            raise AssertionError(f"{self.codec.name} decoded {sections}")

    def test_flipped_bits_raise_nothing_but_decode_errors(self) -> None:
        if not self.codec.safe:  # what a changed pickle may do is anybody's guess
            return
        dice = random.Random(7)  # noqa: S311 - repeatable, not secret
        damaged = []
        for value in self.values():
            kept = _stored(self.codec.encode(value))
            places = [(n, at) for n, part in enumerate(kept) for at in range(min(len(part), 4096))]
            for index, at in dice.sample(places, min(_FLIPS, len(places))):
                flipped = bytearray(kept[index])
                flipped[at] ^= 1 << dice.randrange(8)
                damaged.append([*kept[:index], bytes(flipped), *kept[index + 1 :]])
        self._survives(damaged)

    def _survives(self, damaged: list[list[bytes]]) -> None:
        """Decode in another process, which may crash."""
        done = subprocess.run(  # noqa: S603 - our own interpreter
            [sys.executable, "-c", _CHILD],
            input=pickle.dumps((self.codec, damaged)),
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, (done.returncode, done.stderr.decode()[-3000:])
        assert int(done.stdout) == len(damaged)


def _stored(sections: Iterable[Any]) -> list[bytes]:
    return [bytes(section) for section in sections]


def _inline(kept: Sequence[bytes]) -> list[memoryview]:
    return [memoryview(section) for section in kept]


def _mapped(kept: Sequence[bytes]) -> list[memoryview]:
    return [memoryview(bytearray(section)) for section in kept]
