"""``geonav export hloc``: features, pairs, matches and the query list of a database."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from geonav.config import GeonavConfig
from geonav.data.database import Database
from geonav.data.files import storage_errors
from geonav.data.progress import OnProgress, ProgressEvent, announce
from geonav.errors import DatabaseError
from geonav.formats import hloc
from geonav.geometry.pose import camera_center
from geonav.pipeline.exporting import ExportReport, Naming, StoredView, stored_views
from geonav.pipeline.stages import load_features, load_matcher
from geonav.pipeline.stored import StoredFeatures, with_recorded

# References that look this far apart hardly show the same.
_MAX_ANGLE_DEG = 75.0


@dataclass(frozen=True, kw_only=True)
class HlocExport:
    """How to export for hloc.

    Attributes:
        naming: "stored" names images ``UID/image.jpg``, so that the database is hloc's folder of images; "source"
            as their source did.
        num_pairs: how many of the nearest references that look the same way each is paired with.
        matches: whether to match the pairs, with the matcher of the configuration.
    """

    naming: Naming = "stored"
    num_pairs: int = 20
    matches: bool = False


def export_hloc(
    database_path: Path | str,
    folder: Path | str,
    config: GeonavConfig,
    options: HlocExport,
    on_progress: OnProgress | None = None,
) -> ExportReport:
    """Write ``feats-MODEL.h5``, ``pairs.txt``, ``queries_with_intrinsics.txt`` and, if asked, ``matches-MODEL.h5``.

    Keypoints are in pixels of the stored pictures, which hloc does not turn upright. Poses go along with
    :func:`geonav.pipeline.exporting.export_colmap` under the same names.

    Raises:
        InputError: there is no database, nothing in it is posed, or h5py is missing.
        DatabaseError: the database has no local features.
        StorageError: the folder cannot be written.
    """
    database, report, target = Database.open(database_path), ExportReport(), Path(folder)
    config = with_recorded(config, database)
    stored = load_features(database, config)
    views = list(stored_views(database, options.naming, report))
    if not views:
        msg = f"{database.path} has no entry with pose and camera: there is nothing to export"
        raise DatabaseError(msg)
    with storage_errors(target):
        target.mkdir(parents=True, exist_ok=True)
    report.num_images = hloc.write_features(target / f"feats-{stored.model}.h5", _features(views, stored))
    hloc.write_query_list(target / "queries_with_intrinsics.txt", [(view.name, view.camera) for view in views])
    pairs = nearby_pairs(views, options.num_pairs)
    hloc.write_pairs(target / "pairs.txt", [(views[i].name, views[j].name) for i, j in pairs])
    if options.matches:
        rows = _matches(views, stored, (config, pairs), on_progress)
        hloc.write_matches(target / f"matches-{stored.model}.h5", rows)
    return report


def _features(views: Sequence[StoredView], stored: StoredFeatures) -> Iterator[hloc.FeatureRow]:
    for view in views:
        features = stored.read(view.uid)
        turned = view.stored_pixels(features.keypoints.astype(float)).astype(np.float32)
        row = type(features)(turned, features.scores, features.descriptors)
        yield hloc.FeatureRow(view.name, row, (view.camera.width, view.camera.height))


def _matches(
    views: Sequence[StoredView],
    stored: StoredFeatures,
    work: tuple[GeonavConfig, Sequence[tuple[int, int]]],
    on_progress: OnProgress | None,
) -> Iterator[hloc.MatchRow]:
    config, pairs = work
    matcher = load_matcher(config)
    # A pair that stands in the list both ways is one pair of the match file.
    once = sorted({(min(pair), max(pair)) for pair in pairs})
    for done, (i, j) in enumerate(once, 1):
        a, b = stored.read(views[i].uid), stored.read(views[j].uid)
        sizes = [(views[k].metadata.w, views[k].metadata.h) for k in (i, j)]
        found = matcher.match(a, sizes[0], b, sizes[1])
        yield hloc.MatchRow(views[i].name, views[j].name, found.pairs.astype(np.int64), found.scores, len(a))
        announce(on_progress, ProgressEvent("match", done, len(once), views[i].name))


def nearby_pairs(views: Sequence[StoredView], num_pairs: int) -> list[tuple[int, int]]:
    """For each view the nearest others that look the same way, nearest first."""
    centers = np.array([camera_center(view.pose) for view in views])
    # The optical axis is the same for the stored and the upright picture.
    axes = np.array([view.pose[2, :3] for view in views])
    pairs = []
    for i in range(len(views)):
        distance = np.linalg.norm(centers - centers[i], axis=1)
        distance[axes @ axes[i] < np.cos(np.radians(_MAX_ANGLE_DEG))] = np.inf
        distance[i] = np.inf
        order = np.argsort(distance, kind="stable")[:num_pairs]
        pairs += [(i, int(j)) for j in order if np.isfinite(distance[j])]
    return pairs
