"""Which index for how many vectors, what it takes, and opening whichever lies in a folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import cast

from geonav.errors import DatabaseError
from geonav.retrieval.base import VectorIndex
from geonav.retrieval.registries import INDEXES
from geonav.retrieval.shelf import read_form
from geonav.settings.milvus import SCHEMES, MilvusConfig

AUTO = "auto"
_MOST_FLAT = 100_000
_MOST_HALF = 1_000_000
# Bytes in memory for each vector besides what is mapped: its uid's hash, end and flags.
_NAME_BYTES = 30
_UID_BYTES = 24
_COPIES_EMBEDDED = 2  # that milvus-lite keeps of a vector in memory
_MB = 1e6


@dataclass(frozen=True)
class Footprint:
    """What an index takes.

    Attributes:
        kind: of index.
        count: number of vectors.
        dim: length of a vector.
        memory_mb: held in memory, beyond the program itself.
        mapped_mb: read from files as needed; the system keeps of it in memory what is free.
    """

    kind: str
    count: int
    dim: int
    memory_mb: float
    mapped_mb: float

    def __str__(self) -> str:
        """One line for people."""
        return (
            f"index {self.kind}: {self.count} vectors of {self.dim} numbers, {self.memory_mb:g} MB in memory, "
            f"{self.mapped_mb:g} MB mapped from files"
        )


def choose_kind(wanted: str, count: int) -> str:
    """``wanted``, or by the number of vectors where that is ``auto``.

    Raises:
        UsageError: there is no such index.
    """
    if wanted != AUTO:
        return INDEXES.check(wanted)
    if count <= _MOST_FLAT:
        return "flat"
    return "sq" if count <= _MOST_HALF else "ivfpq"


def footprint(kind: str, count: int, dim: int, milvus: MilvusConfig | None = None) -> Footprint:
    """What an index of this kind will take on this machine, about; vectors on a server of Milvus take nothing here."""
    if kind == "milvus":
        is_elsewhere = milvus is not None and milvus.uri is not None and milvus.uri.startswith(SCHEMES)
        held = _NAME_BYTES + (0 if is_elsewhere else _COPIES_EMBEDDED * 4 * dim)
        return Footprint(kind, count, dim, round(count * held / _MB, 1), round(count * _UID_BYTES / _MB, 1))
    number_bytes = 4 if kind == "flat" else 2
    lists = {"sq8": dim, "ivf": min(dim, 512) + 8, "ivfpq": min(dim, 512) / 8 + 8, "hnsw": dim + 64 * 4 + 16}
    in_memory = _NAME_BYTES + (lists[kind] if kind in {"ivfpq", "hnsw"} else 0)
    mapped = number_bytes * dim + _UID_BYTES + (lists[kind] if kind in {"sq8", "ivf"} else 0)
    return Footprint(kind, count, dim, round(count * in_memory / _MB, 1), round(count * mapped / _MB, 1))


def new_index(kind: str, dim: int, stamp: str, milvus: MilvusConfig | None = None) -> VectorIndex:
    """An empty index; ``milvus`` says where the vectors of one in Milvus go.

    Raises:
        UsageError: there is no such index.
    """
    return cast("VectorIndex", INDEXES.load(kind)(dim, stamp, *_settings(kind, milvus)))


def open_index(directory: Path, stamp: str, wanted: str = AUTO, milvus: MilvusConfig | None = None) -> VectorIndex:
    """The index in a folder, of whichever kind it is, unless one is asked for by name.

    ``milvus`` says how to reach Milvus, where the index is in it.

    Raises:
        DatabaseError: there is none, it is broken, or was made with other settings or as another kind.
        NetworkError: Milvus does not answer. AuthError: it refused the token.
        UsageError: there is no such kind.
    """
    kind = read_form(directory).kind if wanted == AUTO else wanted
    if wanted == AUTO and kind not in INDEXES.names():
        msg = f"the index at {directory} is of a kind that this version lacks ({kind}): run `geonav index global`"
        raise DatabaseError(msg)
    return cast("VectorIndex", INDEXES.load(kind).load(directory, stamp, *_settings(kind, milvus)))


def _settings(kind: str, milvus: MilvusConfig | None) -> tuple[MilvusConfig, ...]:
    return (milvus,) if kind == "milvus" and milvus is not None else ()
