"""A street's references and queries as one folder: photos, COLMAP model, true poses."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from geonav.geometry.geodesy import GeoPoint
from geonav.providers.demo.photo import Conditions
from geonav.providers.demo.poses import query_poses, reference_poses
from geonav.providers.demo.write import Photographer, Taken, write_colmap, write_photos, write_truth

if TYPE_CHECKING:
    from pathlib import Path

    from geonav.providers.demo.poses import Drive, Walk
    from geonav.providers.demo.scene import StreetScene

ORIGIN = GeoPoint(48.9407, 8.4090, 130.0)
_QUERY_CLUTTER = 1


@dataclass(frozen=True)
class DatasetPlan:
    """What to photograph.

    Attributes:
        scene: The street.
        drive: How references are taken.
        walk: How queries are taken.
        num_queries: How many of them.
        origin: Where on Earth the street's middle is; nominal.
        reference_change: How much light and exposure differ among references; see Conditions.random.
        query_change: The same for queries, which also see other parked cars.
    """

    scene: StreetScene
    drive: Drive
    walk: Walk
    num_queries: int = 20
    origin: GeoPoint = ORIGIN
    reference_change: float = 0.2
    query_change: float = 1.0


def write_dataset(root: Path, plan: DatasetPlan) -> list[Taken]:
    """Take the photos of a plan and write them below root.

    It makes `images/` (references), `queries/`, `colmap/` (a text model of the references) and
    `poses.json` (the truth about both).

    Args:
        root: Folder; made where it is missing.
        plan: What to photograph.

    Returns:
        References, then queries.
    """
    rng = np.random.default_rng([plan.scene.seed, 99])
    references = reference_poses(plan.scene, plan.drive, rng)
    queries = query_poses(plan.scene, plan.num_queries, plan.walk, rng, references)
    steady = functools.partial(Conditions.random, change=plan.reference_change)
    varied = functools.partial(Conditions.random, change=plan.query_change)
    by_day = Photographer(plan.scene, steady, seed=1)
    another_day = Photographer(plan.scene.with_clutter(_QUERY_CLUTTER), varied, seed=2)
    photos = write_photos(root, "images", by_day, references)
    photos += write_photos(root, "queries", another_day, queries)
    write_colmap(root / "colmap", references)
    write_truth(root / "poses.json", plan.origin, photos)
    return photos
