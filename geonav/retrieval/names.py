"""Which uid stands for which row, for millions of rows: sorted hashes instead of a dictionary of strings."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable

import numpy as np
from numpy.typing import NDArray

KEY = np.dtype([("hash", "<u8"), ("end", "<u8"), ("silent", "?")])
# Rows added since the hashes were last sorted; more are sorted in.
_UNSORTED = 1 << 16

Keys = NDArray[np.void]
Row = NDArray[np.int64]


class Names:
    """The uid of every row that ever was, and which rows still count.

    A row is never given to another uid: what is removed stays removed until the whole is written anew.

    Attributes:
        alive: (N,) bool, rows that were not removed.
        silent: (N,) bool, rows of zero vectors, which no search finds.
    """

    def __init__(self, text: NDArray[np.uint8] | None = None, keys: Keys | None = None) -> None:
        """Start empty, or with stored names: ``text`` holds the uids one after another, ``keys`` where each ends."""
        keys = np.zeros(0, KEY) if keys is None else keys
        self._stored_text = np.zeros(0, np.uint8) if text is None else text
        self._new_text = bytearray()
        self._hashes = np.ascontiguousarray(keys["hash"])
        self._ends = np.ascontiguousarray(keys["end"])
        self.silent = np.ascontiguousarray(keys["silent"])
        self.alive = np.ones(len(keys), np.bool_)
        self._num_alive = len(keys)
        self._sort()

    def __len__(self) -> int:
        """The number of rows, removed ones included."""
        return len(self._hashes)

    @property
    def num_alive(self) -> int:
        """The number of rows that were not removed."""
        return self._num_alive

    @property
    def memory_bytes(self) -> int:
        """What lies in memory."""
        arrays = (self._hashes, self._ends, self.silent, self.alive, self._order, self._sorted)
        return sum(array.nbytes for array in arrays) + len(self._new_text)

    def append(self, uids: Collection[str], silent: NDArray[np.bool_]) -> None:
        """Name the rows that follow."""
        hashes, lengths = [], []
        for row, uid in enumerate(uids, len(self)):
            encoded = uid.encode()
            self._new_text += encoded
            lengths.append(len(encoded))
            hashes.append(_hash(encoded))
            self._fresh.setdefault(hashes[-1], []).append(row)
        last = self._ends[-1] if len(self) else np.uint64(0)
        ends = last + np.cumsum(np.array(lengths, np.uint64), dtype=np.uint64)
        self._hashes = np.append(self._hashes, np.array(hashes, np.uint64))
        self._ends = np.append(self._ends, ends)
        self.silent = np.append(self.silent, silent)
        self.alive = np.append(self.alive, np.ones(len(ends), np.bool_))
        self._num_alive += len(ends)
        if len(self._fresh) > _UNSORTED:
            self._sort()

    def remove(self, rows: Row) -> None:
        """Count these rows no longer."""
        self._num_alive -= int(self.alive[rows].sum())
        self.alive[rows] = False

    def of(self, row: int) -> str:
        """The uid of a row."""
        start = int(self._ends[row - 1]) if row else 0
        end, stored = int(self._ends[row]), len(self._stored_text)
        if end <= stored:
            return self._stored_text[start:end].tobytes().decode()
        return self._new_text[start - stored : end - stored].decode()

    def uids(self) -> list[str]:
        """The uids that count, sorted."""
        return sorted(self.of(int(row)) for row in np.flatnonzero(self.alive))

    def rows(self, uids: Iterable[str]) -> Row:
        """The rows of these uids, -1 for one that is not there."""
        encoded = [uid.encode() for uid in uids]
        hashes = np.array([_hash(text) for text in encoded], np.uint64)
        left = np.searchsorted(self._sorted, hashes, "left")
        found = np.full(len(encoded), -1, np.int64)
        for number, (text, key, start) in enumerate(zip(encoded, hashes.tolist(), left.tolist(), strict=True)):
            found[number] = self._row(text, key, start)
        return found

    def keys(self, start: int = 0) -> Keys:
        """The stored form of the rows from ``start`` on."""
        keys = np.zeros(len(self) - start, KEY)
        keys["hash"], keys["end"], keys["silent"] = self._hashes[start:], self._ends[start:], self.silent[start:]
        return keys

    def text(self, start: int = 0) -> bytes:
        """The uids of the rows from ``start`` on, one after another."""
        begin, stored = (int(self._ends[start - 1]) if start else 0), len(self._stored_text)
        if begin >= stored:
            return bytes(self._new_text[begin - stored :])
        return self._stored_text[begin:].tobytes() + bytes(self._new_text)

    def _row(self, encoded: bytes, key: int, start: int) -> int:
        for row in self._fresh.get(key, ()):
            if self.alive[row] and self.of(row).encode() == encoded:
                return row
        while start < len(self._sorted) and self._sorted[start] == key:
            row = int(self._order[start])
            if self.alive[row] and self.of(row).encode() == encoded:
                return row
            start += 1
        return -1

    def _sort(self) -> None:
        self._order = np.argsort(self._hashes, kind="stable").astype(np.int32)
        self._sorted = self._hashes[self._order]
        self._fresh: dict[int, list[int]] = {}


def _hash(encoded: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(encoded, digest_size=8).digest(), "little")
