"""Several looks at one query photo, as the deep-visual-geo-localization-benchmark defines them.

A network that sees one fixed shape squeezes photos of another. The benchmark's ways out, all for the query alone, the
database stays as it is:

=================  ======================================================================================
mode               what is described
=================  ======================================================================================
``hard_resize``    the photo stretched to the model's size: one vector
``single_query``   the photo in its own proportions, shorter side as the model's: one vector
``central_crop``   the middle of the photo in the model's proportions, scaled to its size: one vector
``five_crops``     five squares, corners and middle, with the shorter side: the mean of their vectors
``nearest_crop``   the same squares, each searched for; a reference counts with its best score
``majority_voting``  as before, but references that several squares find are moved up
=================  ======================================================================================
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, get_args

import numpy as np
import torch

from geonav.errors import UsageError
from geonav.vision.base import GlobalDescriptor, Pixels, Vector
from geonav.vision.descriptors.pixels import PixelDescriptor
from geonav.vision.descriptors.preprocess import Preprocess, as_batch, resized

Mode = Literal["hard_resize", "single_query", "central_crop", "five_crops", "nearest_crop", "majority_voting"]
MODES: tuple[Mode, ...] = get_args(Mode)
Hit = tuple[str, float]

# How far each repetition moves a reference up: its squared distance falls by this times its votes over n, for those
# among the first n of each view, n = 1, 5 and 10.
MAJORITY_WEIGHT = 0.01
_RANKS = (1, 5, 10)


def views_of(pixels: Pixels, mode: Mode, model: GlobalDescriptor) -> list[Vector]:
    """The vectors to search for, each (D,) of length one; one but for ``nearest_crop`` and ``majority_voting``.

    Args:
        pixels: the upright photo (H, W, 3).
        mode: see the module.
        model: the descriptor of the database.

    Raises:
        UsageError: an unknown mode, or a descriptor of local features, which have no shape to be squeezed into.
    """
    if mode not in MODES:
        msg = f"unknown query augmentation '{mode}': choose one of {', '.join(MODES)}"
        raise UsageError(msg)
    if not isinstance(model, PixelDescriptor):
        msg = f"query augmentation {mode} needs a descriptor that looks at pixels, which {model.name} does not"
        raise UsageError(msg)
    batch = as_batch(pixels, model.model.device)
    rows = model.encode(_CUTS[mode](batch, model.preprocess))
    if mode == "five_crops":
        mean = rows.mean(0)
        rows = (mean / max(float(np.linalg.norm(mean)), 1e-12))[None]
    return list(rows)


def merge(hits_per_view: Sequence[Sequence[Hit]], mode: Mode) -> list[Hit]:
    """One list of hits, best first, of those that :func:`views_of`'s vectors found.

    Args:
        hits_per_view: what each vector found, best first: uid and inner product.
        mode: the mode the vectors are of.

    Returns:
        Each uid once, as many as were found at all, with its best score; votes count in with ``majority_voting``, which
        is why a score may then be above 1. Ties are in order of uid.
    """
    raised: Mapping[tuple[int, int], float] = _votes(hits_per_view) if mode == "majority_voting" else {}
    best: dict[str, float] = {}
    for view, hits in enumerate(hits_per_view):
        for rank, (uid, score) in enumerate(hits):
            # d^2 = 2 - 2 s for vectors of length one: a distance that falls by w is a score that rises by w / 2
            value = score + raised.get((view, rank), 0.0) / 2
            best[uid] = max(value, best.get(uid, -np.inf))
    return sorted(best.items(), key=lambda hit: (-hit[1], hit[0]))


def _votes(hits_per_view: Sequence[Sequence[Hit]]) -> dict[tuple[int, int], float]:
    """By how much the squared distance of each view's each hit falls."""
    raised: dict[tuple[int, int], float] = {}
    for first in _RANKS:
        counts = Counter(uid for hits in hits_per_view for uid, _ in hits[:first])
        for view, hits in enumerate(hits_per_view):
            for rank, (uid, _) in enumerate(hits[:first]):
                if counts[uid] > 1:
                    raised[view, rank] = raised.get((view, rank), 0.0) + MAJORITY_WEIGHT * counts[uid] / first
    return raised


def _stretched(batch: torch.Tensor, preprocess: Preprocess) -> torch.Tensor:
    return resized(batch, preprocess.rounded(preprocess.height_px, preprocess.width_px))


def _in_proportion(batch: torch.Tensor, preprocess: Preprocess) -> torch.Tensor:
    return resized(batch, preprocess.rounded(*_shorter_side_as(batch, preprocess)))


def _middle(batch: torch.Tensor, preprocess: Preprocess) -> torch.Tensor:
    """The largest middle part of the model's proportions, at its size."""
    wanted = preprocess.rounded(preprocess.height_px, preprocess.width_px)
    factor = max(side / has for side, has in zip(wanted, batch.shape[-2:], strict=True))
    height, width = (max(side, round(has * factor)) for side, has in zip(wanted, batch.shape[-2:], strict=True))
    large = resized(batch, (height, width))
    top, left = ((has - side) // 2 for side, has in zip(wanted, (height, width), strict=True))
    return large[..., top : top + wanted[0], left : left + wanted[1]]


def _five_squares(batch: torch.Tensor, preprocess: Preprocess) -> torch.Tensor:
    """Corners and middle, (5, 3, s, s), s the shorter side of the model's size."""
    side = preprocess.rounded(min(preprocess.height_px, preprocess.width_px), 1)[0]
    height, width = _shorter_side_as(batch, preprocess)
    large = resized(batch, (max(side, height), max(side, width)))
    down, right = (has - side for has in large.shape[-2:])
    corners = [(0, 0), (0, right), (down, 0), (down, right), (round(down / 2), round(right / 2))]
    return torch.cat([large[..., top : top + side, left : left + side] for top, left in corners])


def _shorter_side_as(batch: torch.Tensor, preprocess: Preprocess) -> tuple[int, int]:
    """The height and width of a picture whose shorter side is that of the model's size."""
    height, width = batch.shape[-2:]
    factor = min(preprocess.height_px, preprocess.width_px) / min(height, width)
    return max(1, round(height * factor)), max(1, round(width * factor))


_CUTS: Mapping[str, Callable[[torch.Tensor, Preprocess], torch.Tensor]] = {
    "hard_resize": _stretched,
    "single_query": _in_proportion,
    "central_crop": _middle,
    "five_crops": _five_squares,
    "nearest_crop": _five_squares,
    "majority_voting": _five_squares,
}
