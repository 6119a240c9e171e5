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
from geonav.pipeline.mapping.strongest import strongest
from geonav.pose.alignment import Aligned
from geonav.pose.structure import Pairs, Structure, reconstruct

Array = NDArray[np.float64]
Pair = tuple[int, int]
# Of each attempt, at which angle the rays of the first two pictures should meet, and whether it begins with the
# strongest links alone.
_ATTEMPTS = ((16.0, False), (16.0, True), (4.0, False), (4.0, True), (30.0, False), (2.0, False))
# Squares that most sources may be off by, of six terms: chance lets one in twenty be off by as much.
_MAX_MISFIT = 12.6
_DOUBTFUL_MISFIT = 30.0
# Share of all matches that sound structure explains; a bent one leaves out what is near, a torn one what lies between.
_SOUND = 0.85
# Share of its matches by which a link agrees with a structure.
_AGREES = 0.5
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
        """The higher, the better; a reference that contradicts its source undoes one that does not."""
        return not self.is_wrong, (self.num_good - len(self.doubtful)) * self.explained

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
        num_good = len({picture for structure, _ in placed for picture in structure.pictures.tolist()} - doubtful)
        is_wrong = not placed or any(np.median(aligned.misfits) > _MAX_MISFIT for _, aligned in placed)
        near = _near(part, [each for each, _ in placed])
        # A link between two pieces is one that neither explains.
        explained = sum(int(each.sum()) for each in near.values()) / max(sum(map(len, part.links.values())), 1)
        return cls(placed, frozenset(doubtful), num_good, explained, is_wrong)


def solve_part(part: PartInput) -> list[Adjusted]:
    """The pieces that hold together, the largest first; references in none could not be joined.

    Before a flat facade two pictures can be explained in two ways, and windows that repeat join pictures that stand
    apart. What contradicts its source, or many of the matches, is therefore reconstructed again, from other pictures
    and from the strongest links: where it contradicts the same sources twice, it is they that are wrong.
    """
    best = _Attempt.of(part, 0)
    for number in range(1, len(_ATTEMPTS)):
        if best.is_sound:
            break
        other = _Attempt.of(part, number)
        is_agreed = other.doubtful == best.doubtful and not best.is_wrong and best.explained >= _SOUND
        if other.rank > best.rank:
            best = other
        if is_agreed:
            break
    return [adjust_structure(part, structure, aligned) for structure, aligned in best.placed]


def _near(part: PartInput, structures: Sequence[Structure]) -> dict[Pair, NDArray[np.bool_]]:
    """Of each pair of pictures of one structure, which matches (M,) lie on their epipolar lines in it."""
    pairs, near = pairs_of(part), dict[Pair, NDArray[np.bool_]]()
    for structure in structures:
        row = {int(number): index for index, number in enumerate(structure.pictures)}
        for (i, j), matches in pairs.items():
            if i in row and j in row:
                pixels = tuple(
                    part.keypoints[part.views[number].uid][matches[:, side]] for side, number in enumerate((i, j))
                )
                noise = max(part.noise_px[part.views[number].uid] for number in (i, j))
                off = _off_line_px(structure, (row[i], row[j]), (pixels[0], pixels[1]))
                near[i, j] = off <= _GATE_SIGMA * noise
    return near


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
    """One attempt: from all links, or from the strongest and then from all that agree with what these make.

    Windows that repeat match by fewer keypoints than the same windows seen twice do.
    """
    angle_deg, is_careful = _ATTEMPTS[number]
    pairs = pairs_of(part)
    if not is_careful:
        return _mapped(part, pairs, number, angle_deg)
    frames = [view.frame for view in part.views]
    found = _mapped(part, strongest(pairs, frames), number, angle_deg)
    agreed = [pair for pair, near in _near(part, found).items() if len(near) and near.mean() >= _AGREES]
    return _mapped(part, {pair: pairs[pair] for pair in agreed}, number, angle_deg)


def _mapped(part: PartInput, pairs: Pairs, number: int, angle_deg: float) -> list[Structure]:
    """Structure from some links; with focal lengths held where the pictures cannot tell them."""
    pictures = pictures_of(part)
    found = reconstruct(pictures, pairs, seed=part.seed + number, first_angle_deg=angle_deg)
    changes = [
        abs(camera.focal_px / pictures[index].camera.focal_px - 1.0)
        for structure in found
        for index, camera in zip(structure.pictures, structure.cameras, strict=True)
    ]
    if max(changes, default=0.0) <= _MAX_FOCAL_CHANGE:
        return found
    held = [replace(picture, is_calibrated=True) for picture in pictures]
    return reconstruct(held, pairs, seed=part.seed + number, first_angle_deg=angle_deg)
