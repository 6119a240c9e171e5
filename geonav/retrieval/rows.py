"""Vectors as rows of one file or buffer that faiss searches where they lie, without a copy in memory.

A row file is room for a faiss header, then the rows one after another; rows are only ever appended. The header, which
names the number of rows, is written into a private page of the mapping and never reaches the disk, so that what a
stamp calls stored decides how many rows there are, whatever an interrupted run left behind them.
"""

from __future__ import annotations

import mmap
import struct
import tempfile
from pathlib import Path
from typing import Any, Literal

import faiss
import numpy as np
from numpy.typing import NDArray

from geonav.data.files import storage_errors
from geonav.retrieval.base import Vectors

_faiss: Any = faiss  # its stubs lack some names

Code = Literal["fp32", "fp16"]
ROOM = 4096
DTYPES: dict[Code, type[np.floating[Any]]] = {"fp32": np.float32, "fp16": np.float16}
# Rows not yet saved lie in memory up to here and in a temporary file beyond.
_SPILL_BYTES = 64 << 20
_COUNT_AT = 8  # of a serialised flat or scalar index: four letters, then the length of a vector, then the count
_FIRST_ROWS = 64


class Rows:
    """Some rows (N, D) of one code in memory or in a mapped file."""

    def __init__(self, memory: NDArray[np.uint8], dim: int, code: Code, count: int) -> None:
        """``memory`` is writable: room for a header, then at least ``count`` rows."""
        self.dim = dim
        self.code = code
        self.count = count
        self._memory = memory

    @property
    def width(self) -> int:
        """Bytes of a row."""
        return self.dim * np.dtype(DTYPES[self.code]).itemsize

    @property
    def array(self) -> NDArray[np.floating[Any]]:
        """The rows (N, D) as they are stored; a view."""
        stored = self._memory[ROOM : ROOM + self.count * self.width]
        return stored.view(DTYPES[self.code]).reshape(self.count, self.dim)

    def take(self, rows: NDArray[np.int64]) -> Vectors:
        """Some rows, float32."""
        return self.array[rows].astype(np.float32)

    def searcher(self) -> Any:  # noqa: ANN401 - faiss has no types
        """A faiss index over the rows; it is valid as long as this object is, and until rows are appended."""
        header = _header(self.dim, self.code, self.count)
        start = ROOM - len(header)
        self._memory[start:ROOM] = np.frombuffer(header, np.uint8)
        part = self._memory[start : ROOM + self.count * self.width]
        return faiss.read_index(_faiss.ZeroCopyIOReader(faiss.swig_ptr(part), len(part)))


class GrowingRows(Rows):
    """Rows that are not saved yet; in a temporary file once they are many."""

    def __init__(self, dim: int, code: Code) -> None:
        """Start empty."""
        super().__init__(np.zeros(ROOM, np.uint8), dim, code, 0)
        self._is_spilled = False

    @property
    def memory_bytes(self) -> int:
        """What lies in memory."""
        return 0 if self._is_spilled else self._memory.size

    def append(self, vectors: Vectors) -> None:
        """Add rows (N, D).

        Raises:
            StorageError: there is no room for the temporary file.
        """
        needed = ROOM + (self.count + len(vectors)) * self.width
        if needed > self._memory.size:
            self._grow(max(2 * self._memory.size, needed, ROOM + _FIRST_ROWS * self.width))
        old, self.count = self.count, self.count + len(vectors)
        self.array[old:] = vectors

    def _grow(self, size: int) -> None:
        self._is_spilled = size > _SPILL_BYTES
        if self._is_spilled:
            folder = Path(tempfile.gettempdir())
            with storage_errors(folder), tempfile.TemporaryFile() as stream:
                stream.truncate(size)
                larger = np.frombuffer(mmap.mmap(stream.fileno(), size), np.uint8)
        else:
            larger = np.zeros(size, np.uint8)
        used = ROOM + self.count * self.width
        larger[:used] = self._memory[:used]
        self._memory = larger


def map_rows(path: Path, dim: int, code: Code, count: int) -> Rows:
    """The first ``count`` rows of a row file, mapped.

    Raises:
        OSError: the file is missing.
        ValueError: it is too short.
    """
    with path.open("rb") as stream:
        size = ROOM + count * dim * np.dtype(DTYPES[code]).itemsize
        private = mmap.mmap(stream.fileno(), size, access=mmap.ACCESS_COPY)
    return Rows(np.frombuffer(private, np.uint8), dim, code, count)


def _header(dim: int, code: Code, count: int) -> bytes:
    """What faiss writes before the codes of ``count`` rows."""
    index: Any = faiss.IndexFlatIP(dim)
    if code == "fp16":
        index = faiss.IndexScalarQuantizer(dim, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
    index.add(np.zeros((1, dim), np.float32))
    header = bytearray(faiss.serialize_index(index).tobytes()[: -index.code_size])
    struct.pack_into("<q", header, _COUNT_AT, count)
    # The last number counts what the codes are made of: numbers or bytes.
    (per_row,) = struct.unpack_from("<q", header, len(header) - 8)
    struct.pack_into("<q", header, len(header) - 8, per_row * count)
    return bytes(header)
