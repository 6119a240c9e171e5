"""Poses in the text format of the long-term visual localisation benchmark (visuallocalization.net).

One line a photo: ``name qw qx qy qz tx ty tz``, camera_from_world, where ``t`` is the translation and
not the camera's centre. The benchmark names photos by their base name, RobotCar's by ``camera/name``.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geonav.data.files import atomic_write_bytes
from geonav.data.results import LocalizationResult
from geonav.errors import InputError
from geonav.formats.lines import broken, numbered_lines
from geonav.formats.quaternions import pose_from_numbers, pose_numbers

Array = NDArray[np.float64]
_FORM = "name qw qx qy qz tx ty tz"


def write_ltvl(path: Path | str, pairs: Iterable[tuple[str, ArrayLike]]) -> int:
    """Write poses, in order, and give how many.

    Args:
        path: of the text file; replaced whole.
        pairs: name as it shall stand in the file, and camera_from_world (4, 4) in metres of any one frame.

    Raises:
        InputError: a name is empty, twice there or has blanks in it, or a pose is not finite.
        StorageError: the file cannot be written.
    """
    lines: dict[str, str] = {}
    for name, pose in pairs:
        if name in lines or name.split() != [name] or name.startswith("#"):
            why = "is there twice" if name in lines else "has a blank in it, is empty or begins with #"
            msg = f"photo '{name}' {why}, which a pose file cannot hold: rename it"
            raise InputError(msg)
        if not np.isfinite(np.asarray(pose, float)).all():
            msg = f"photo '{name}' has a pose that is not finite: leave it out"
            raise InputError(msg)
        lines[name] = " ".join([name, *(repr(value) for value in pose_numbers(pose))])
    atomic_write_bytes(Path(path), "".join(line + "\n" for line in lines.values()).encode())
    return len(lines)


def read_ltvl(path: Path | str) -> dict[str, Array]:
    """Poses camera_from_world (4, 4) by name, in the file's order.

    Raises:
        InputError: missing or broken; the message names file and line.
    """
    file, poses = Path(path), {}
    for number, line in numbered_lines(file, "pose file"):
        name, *fields = line.split()
        if name in poses:
            raise broken(file, number, f"photo '{name}' is there twice: remove one")
        try:
            poses[name] = pose_from_numbers([float(field) for field in fields])
        except ValueError as error:
            reason = f" ({error})" if len(fields) == 7 else ""
            raise broken(file, number, f"not {_FORM}{reason}: correct or remove it") from error
    return poses


def located_poses(results: Iterable[LocalizationResult], *, keep_folders: bool = False) -> list[tuple[str, Array]]:
    """Name and pose of every result that is located, for :func:`write_ltvl`.

    Args:
        results: in the order wanted.
        keep_folders: name photos as they were asked for instead of by their base name.
    """
    return [
        (result.query if keep_folders else Path(result.query).name, np.asarray(result.E, float))
        for result in results
        if result.E is not None
    ]
