"""Matches between references, one file a reference, kept for as long as both pictures' features stay the same."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geonav.data.files import atomic_save_arrays, storage_errors

# A flipped byte can make an archive look encrypted, or of another compression, which zipfile answers so.
_UNREADABLE = (OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile)
Ints = NDArray[np.int32]


@dataclass(frozen=True)
class Link:
    """What matching two references gave.

    Attributes:
        stamp: of both pictures' features and of what matched and verified them.
        num_matches: before verification.
        pairs: (M, 2) keypoints of the first and of the second that one rigid scene explains.
        rotation: second_from_first (3, 3), the turn between the cameras in that scene; NaN where not known.
    """

    stamp: str
    num_matches: int
    pairs: Ints
    rotation: NDArray[np.float64] = field(default_factory=lambda: np.full((3, 3), np.nan))


class LinkStore:
    """The links of each reference with those of a higher uid; a link that was stored is never half there."""

    def __init__(self, folder: Path) -> None:
        """``folder`` is made when something is stored."""
        self._folder = folder

    def read(self, uid: str) -> dict[str, Link]:
        """The links of a reference by the other's uid; empty where there are none, or the file is broken."""
        path = self._path(uid)
        try:
            # From memory: numpy leaves a broken file open.
            with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as arrays:
                others, stamps = arrays["others"].tolist(), arrays["stamps"].tolist()
                ends, pairs = np.cumsum(arrays["counts"]), arrays["pairs"].astype(np.int32)
                given, turns = arrays["num_matches"].tolist(), arrays["rotations"].reshape(-1, 3, 3)
            parts = np.split(pairs, ends[:-1]) if others else []
            return {o: Link(*link) for o, *link in zip(others, stamps, given, parts, turns, strict=True)}
        except _UNREADABLE:
            return {}

    def write(self, uid: str, links: dict[str, Link]) -> None:
        """Replace the links of a reference.

        Raises:
            StorageError: the disk is full, read-only or not permitted.
        """
        with storage_errors(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
        empty = np.zeros((0, 2), np.int32)
        atomic_save_arrays(
            self._path(uid),
            others=np.array(list(links), dtype=np.str_),
            stamps=np.array([link.stamp for link in links.values()], dtype=np.str_),
            num_matches=np.array([link.num_matches for link in links.values()], np.int64),
            rotations=np.array([link.rotation for link in links.values()], float).reshape(-1, 3, 3),
            counts=np.array([len(link.pairs) for link in links.values()], np.int64),
            pairs=np.concatenate([empty, *(link.pairs for link in links.values())]),
        )

    def forget_all_but(self, uids: set[str]) -> None:
        """Remove the files of references that are gone."""
        if self._folder.is_dir():
            for path in self._folder.glob("*.npz"):
                if path.stem not in uids:
                    path.unlink(missing_ok=True)

    def _path(self, uid: str) -> Path:
        return self._folder / f"{uid}.npz"
