"""Structure that most sources can live with: reconstructed again where it contradicts them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

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

# At which angle the rays of the first two pictures should meet, attempt by attempt.
_FIRST_ANGLES_DEG = (16.0, 4.0, 30.0, 2.0)
# Squares that most sources may be off by, of six terms: chance lets one in twenty be off by as much.
_MAX_MISFIT = 12.6
_DOUBTFUL_MISFIT = 30.0
# Where pictures have a focal length farther than this from what EXIF says, they cannot tell it: down a street all
# cameras look the way they move, and a longer lens and a longer street look alike.
_MAX_FOCAL_CHANGE = 0.1


@dataclass(frozen=True)
class _Attempt:
    """What one reconstruction gave: structures, where they lie, and which references contradict their sources."""

    placed: list[tuple[Structure, Aligned]]
    doubtful: frozenset[int]
    num_good: int
    is_wrong: bool

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
        return cls(placed, frozenset(doubtful), num_good, is_wrong)


def solve_part(part: PartInput) -> list[Adjusted]:
    """The pieces that hold together, the largest first; references in none could not be joined.

    Before a flat facade two pictures can be explained in two ways, and windows that repeat join pictures that stand
    apart. What contradicts its source is therefore reconstructed again, from other pictures: where it does so twice, it
    is the source that is wrong.
    """
    best = _Attempt.of(part, 0)
    for number in range(1, len(_FIRST_ANGLES_DEG)):
        if not (best.is_wrong or best.doubtful):
            break
        other = _Attempt.of(part, number)
        is_agreed = other.doubtful == best.doubtful and not best.is_wrong
        if (not other.is_wrong, other.num_good) > (not best.is_wrong, best.num_good):
            best = other
        if is_agreed:
            break
    return [adjust_structure(part, structure, aligned) for structure, aligned in best.placed]


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
