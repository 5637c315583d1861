"""A shelf that tells what it was asked, and on which somebody else may change what lies there."""

from __future__ import annotations

from stagecache.testing.shelves import MemoryShelf


class Counting(MemoryShelf):
    """A shelf that remembers what it was asked."""

    def __init__(self, limit=None):
        super().__init__(limit)
        self.asked = []

    def get(self, names):
        self.asked.append(("get", tuple(names)))
        return super().get(names)

    def put(self, name, pieces, *, seconds, replace):
        self.asked.append(("put", name))
        return super().put(name, pieces, seconds=seconds, replace=replace)

    def remove(self, names):
        self.asked.append(("remove", tuple(names)))
        return super().remove(names)

    @property
    def names(self):
        return sorted(self._values)

    def take(self):
        """Return what it was asked since the last time."""
        asked, self.asked = self.asked, []
        return asked

    def bytes(self, name: str) -> bytes:
        """Return what lies under a name."""
        return bytes(self._values[name][0])

    def change(self, name: str, instead: bytes) -> None:
        """Let somebody put other bytes under a name."""
        assert super().put(name, [instead], seconds=None, replace=True)


def flip(data):
    """Change a byte in the middle."""
    at = len(data) // 2
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
