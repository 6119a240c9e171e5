"""What speaks for a result: the matches of each reference that was used, and which of them agree with the pose."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geonav.data.files import atomic_write_bytes
from geonav.errors import StorageError
from geonav.pose.solver import Solution
from geonav.pose.tracks import View

_FIELDS = ("query_pixels", "reference_pixels", "inlier")


@dataclass(frozen=True)
class ViewMatches:
    """Matches of the photo and one reference.

    Attributes:
        uid: of the reference.
        query_pixels: keypoints (M, 2) in pixels of the upright photo.
        reference_pixels: keypoints (M, 2) in pixels of the reference.
        inlier: which matches (M,) agree with the pose; none where there is no pose.
    """

    uid: str
    query_pixels: NDArray[np.float32]
    reference_pixels: NDArray[np.float32]
    inlier: NDArray[np.bool_]


def view_matches(
    keypoints: NDArray[np.float32], views: Sequence[View], solution: Solution | None = None
) -> list[ViewMatches]:
    """The matches of all views, those with most inliers first.

    Args:
        keypoints: of the photo (N, 2), pixels.
        views: the references it was matched to.
        solution: the pose that was found, believed or not.
    """
    agreeing: dict[str, NDArray[np.int64]] = {}
    if solution is not None:
        observed = solution.tracks.keypoint[solution.tracks.track]
        agreeing = {view.uid: observed[solution.tracks.view == i] for i, view in enumerate(solution.views)}
    found = [
        ViewMatches(
            uid=view.uid,
            query_pixels=keypoints[view.query_index].astype(np.float32),
            reference_pixels=view.pixels.astype(np.float32),
            inlier=np.isin(view.query_index, agreeing.get(view.uid, np.empty(0, np.int64))),
        )
        for view in views
    ]
    return sorted(found, key=lambda each: (-int(each.inlier.sum()), -len(each.inlier)))


def view_matches_path(run_folder: Path, name: str) -> Path:
    """Where a run folder keeps the matches of a query, whatever letters its name is made of."""
    return run_folder / "matches" / f"{hashlib.sha256(name.encode('utf-8', 'surrogateescape')).hexdigest()[:24]}.npz"


def write_view_matches(path: Path, evidence: Sequence[ViewMatches]) -> None:
    """Write the matches of one photo as ``.npz``: ``uid`` and, for the i-th of them, ``query_pixels_i`` and so on.

    Raises:
        StorageError: the disk does not take the file.
    """
    import io

    arrays = {f"{name}_{i}": getattr(each, name) for i, each in enumerate(evidence) for name in _FIELDS}
    stream = io.BytesIO()
    np.savez_compressed(stream, uid=np.array([each.uid for each in evidence], dtype=np.str_), **arrays)
    atomic_write_bytes(path, stream.getvalue())


def read_view_matches(path: Path) -> list[ViewMatches]:
    """Read what :func:`write_view_matches` wrote.

    Raises:
        StorageError: the file is absent or broken.
    """
    import zipfile

    try:
        with np.load(path, allow_pickle=False) as stored:
            return [
                ViewMatches(str(uid), *(stored[f"{name}_{i}"] for name in _FIELDS))
                for i, uid in enumerate(stored["uid"])
            ]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        msg = f"{path} holds no matches that can be read ({error}): locate the photos again"
        raise StorageError(msg) from error
