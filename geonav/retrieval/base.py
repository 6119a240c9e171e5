"""What every vector index promises; `tests/retrieval` holds every registered one to it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]
Vectors = NDArray[np.float32]
Hits = list[tuple[str, float]]
"""Uids and inner products, best first."""


class VectorIndex(Protocol):
    """Finds the vectors nearest to one, by inner product.

    An index remembers the ``stamp`` of the settings its vectors were made with, and refuses another's. A vector of
    zeros is kept, so that its entry counts as described, but no search finds it, and a query of zeros finds nothing.
    """

    kind: str

    def __len__(self) -> int:
        """The number of vectors."""
        ...

    def __contains__(self, uid: str) -> bool:
        """Whether a vector has this name."""
        ...

    @property
    def dim(self) -> int:
        """The length of a vector."""
        ...

    @property
    def uids(self) -> list[str]:
        """The names of the vectors, sorted."""
        ...

    @property
    def memory_bytes(self) -> int:
        """What it holds in memory of its own; what it only maps from files is not counted."""
        ...

    def add(self, uids: Sequence[str], vectors: Vectors) -> None:
        """Add vectors (N, D); a uid that is there already gets the new one.

        Raises:
            UsageError: another length, NaN, or one uid twice.
        """
        ...

    def remove(self, uids: Sequence[str]) -> int:
        """Remove vectors by name, unknown names are passed over; returns how many went."""
        ...

    def search(self, vector: Vector, k: int, *, allowed: Collection[str] | None = None) -> Hits:
        """The ``k`` best (all, if fewer), best first; exact ties in order of uid.

        Args:
            vector: float32 (D,).
            k: how many at most.
            allowed: only these uids, unknown ones are passed over; None for all.

        Raises:
            UsageError: another length, or not finite.
        """
        ...

    def vectors(self, uids: Sequence[str]) -> Vectors:
        """The vectors (N, D) of some uids, as exact as the index keeps them.

        Raises:
            DatabaseError: one is not in the index.
        """
        ...

    def save(self, directory: Path) -> None:
        """Write the index so that a kill at any moment leaves the old one, the new one, or none; never a mixture."""
        ...

    @classmethod
    def load(cls, directory: Path, stamp: str) -> Self:
        """Read an index back.

        Raises:
            DatabaseError: there is none, it is broken, or it was made with other settings.
        """
        ...
