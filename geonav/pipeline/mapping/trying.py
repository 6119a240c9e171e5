"""Structure that most sources can live with: reconstructed again where it contradicts them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from geonav.pipeline.mapping.solving import (
    Adjusted,
    Frames,
    PartInput,
    adjust_structure,
    align_structure,
    pairs_of,
    pictures_of,
)
from geonav.pose.alignment import Aligned
from geonav.pose.structure import Structure, reconstruct

Array = NDArray[np.float64]
# At which angle the rays of the first two pictures should meet, attempt by attempt.
_FIRST_ANGLES_DEG = (16.0, 4.0, 30.0, 2.0)
# Squares that most sources may be off by, of six terms: chance lets one in twenty be off by as much.
_MAX_MISFIT = 12.6
_DOUBTFUL_MISFIT = 30.0
# Share of the matches between its pictures that a sound structure explains; a bent one leaves out what is near.
_SOUND = 0.85
_GATE_SIGMA = 10.0
# Where pictures have a focal length farther than this from what EXIF says, they cannot tell it: down a street all
# cameras look the way they move, and a longer lens and a longer street look alike.
_MAX_FOCAL_CHANGE = 0.1


@dataclass(frozen=True)
class _Attempt:
    """What one reconstruction gave: structures, where they lie, and which references contradict their sources."""

    placed: list[tuple[Structure, Aligned]]
    doubtful: frozenset[int]
    num_good: int
    explained: float
    is_wrong: bool

    @property
    def is_sound(self) -> bool:
        """Whether nothing calls for another attempt."""
        return not (self.is_wrong or self.doubtful) and self.explained >= _SOUND

    @property
    def rank(self) -> tuple[bool, float]:
        """The higher, the better."""
        return not self.is_wrong, self.num_good * self.explained

    @classmethod
    def of(cls, part: PartInput, number: int) -> _Attempt:
        found = _reconstructed(part, number)
        placed = [
            (structure, aligned) for structure in found if (aligned := align_structure(part, structure)) is not None
        ]
        doubtful: set[int] = set()
        for structure, aligned in placed:
            frames = Frames.of(part, [part.views[index] for index in structure.pictures]).number
            doubtful.update(structure.pictures[(aligned.misfits > _DOUBTFUL_MISFIT)[frames]].tolist())
        num_good = sum(len(structure.pictures) for structure, _ in placed) - len(doubtful)
        is_wrong = not placed or any(np.median(aligned.misfits) > _MAX_MISFIT for _, aligned in placed)
        return cls(placed, frozenset(doubtful), num_good, _explained(part, [each for each, _ in placed]), is_wrong)


def solve_part(part: PartInput) -> list[Adjusted]:
    """The pieces that hold together, the largest first; references in none could not be joined.

    Before a flat facade two pictures can be explained in two ways, and windows that repeat join pictures that stand
    apart. What contradicts its source is therefore reconstructed again, from other pictures: where it does so twice, it
    is the source that is wrong.
    """
    best = _Attempt.of(part, 0)
    for number in range(1, len(_FIRST_ANGLES_DEG)):
        if best.is_sound:
            break
        other = _Attempt.of(part, number)
        is_agreed = other.doubtful == best.doubtful and not best.is_wrong and best.explained >= _SOUND
        if other.rank > best.rank:
            best = other
        if is_agreed:
            break
    return [adjust_structure(part, structure, aligned) for structure, aligned in best.placed]


def _explained(part: PartInput, structures: Sequence[Structure]) -> float:
    """Share of the matches between pictures of one structure that lie on their epipolar lines in it."""
    pairs, near = pairs_of(part), [np.zeros(0, np.bool_)]
    for structure in structures:
        row = {int(number): index for index, number in enumerate(structure.pictures)}
        for (i, j), matches in pairs.items():
            if i in row and j in row:
                rows = (row[i], row[j])
                pixels = tuple(
                    part.keypoints[part.views[number].uid][matches[:, side]] for side, number in enumerate((i, j))
                )
                noise = max(part.noise_px[part.views[number].uid] for number in (i, j))
                near.append(_off_line_px(structure, rows, (pixels[0], pixels[1])) <= _GATE_SIGMA * noise)
    found = np.concatenate(near)
    return float(found.mean()) if len(found) else 0.0


def _off_line_px(structure: Structure, rows: tuple[int, int], pixels: tuple[Array, Array]) -> Array:
    """How far (M,) matched keypoints lie off the plane through both centres and the other's ray, in pixels."""
    rays = [
        structure.cameras[row].rays_from_pixels(xy) @ structure.rotations[row]
        for row, xy in zip(rows, pixels, strict=True)
    ]
    between = structure.centers[rows[1]] - structure.centers[rows[0]]
    normals = np.cross(between, rays[1])
    length = np.linalg.norm(normals, axis=1)
    off = np.abs((rays[0] * normals).sum(1)) / np.maximum(length, 1e-12)
    focal_px: float = structure.cameras[rows[0]].focal_px
    return np.where(length > 1e-9, off, 0.0) * focal_px


def _reconstructed(part: PartInput, number: int) -> list[Structure]:
    """One reconstruction; with focal lengths held where the pictures cannot tell them."""
    pictures, pairs = pictures_of(part), pairs_of(part)
    found = reconstruct(pictures, pairs, seed=part.seed + number, first_angle_deg=_FIRST_ANGLES_DEG[number])
    changes = [
        abs(camera.focal_px / pictures[index].camera.focal_px - 1.0)
        for structure in found
        for index, camera in zip(structure.pictures, structure.cameras, strict=True)
    ]
    if max(changes, default=0.0) <= _MAX_FOCAL_CHANGE:
        return found
    held = [replace(picture, is_calibrated=True) for picture in pictures]
    return reconstruct(held, pairs, seed=part.seed + number, first_angle_deg=_FIRST_ANGLES_DEG[number])
