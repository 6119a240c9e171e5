"""``geonav import hloc``: an hloc model's images, with the local features that hloc found in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from geonav.config import GeonavConfig
from geonav.data.database import Database
from geonav.data.features import LocalFeatures
from geonav.data.images import read_exif
from geonav.data.progress import OnProgress, ProgressEvent, announce
from geonav.errors import InputError
from geonav.formats.hloc import FeatureRow, read_features
from geonav.pipeline.entries import ImportReport
from geonav.pipeline.importing import ColmapImport, import_colmap
from geonav.pipeline.stages import load_extractor_for_writing
from geonav.pipeline.stored import StoredFeatures

_QUARTER_TURNS = {1: 0, 6: 1, 3: 2, 8: 3}
_PROBE_PX = 64


def import_hloc(
    database_path: Path | str,
    source: tuple[Path | str, Path | str | None],
    options: ColmapImport,
    config: GeonavConfig,
    on_progress: OnProgress | None = None,
) -> ImportReport:
    """Import a model and, where given, its features as those of ``config``'s local model.

    The features count as made with the current settings; that they are of the same network is the caller's word. What
    can be checked, the length of the descriptors and the size of the pictures, is. Entries whose features are refused
    are there without them, and the next index computes its own.

    Args:
        database_path: to import into.
        source: folder of the COLMAP model, and the feature file or None.
        options: as for any COLMAP model.
        config: names the local model whose features they are.
        on_progress: told of every picture.

    Raises:
        InputError: model or feature file are missing or broken, or the descriptors are another network's.
        UsageError: an origin is needed, or heights are in another datum than the database's.
        StorageError: the database cannot be written; what was imported before stays.
    """
    model, features = source
    if features is None:
        return import_colmap(database_path, model, options, on_progress)
    next(read_features(features, []), None)  # a file that cannot be read is named before anything is imported
    report = import_colmap(database_path, model, options, on_progress)
    database = Database.open(database_path)
    with database.lock():
        extractor = load_extractor_for_writing(database, config)
        probe = extractor.extract([np.zeros((_PROBE_PX, _PROBE_PX, 3), np.uint8)])[0]
        stored = StoredFeatures(database, extractor.settings())
        uids = [*report.added, *report.updated, *report.skipped]
        for done, uid in enumerate(uids, 1):
            name = database.metadata(uid).source_name or uid
            try:
                (row,) = read_features(features, [name])
                stored.write(uid, _upright(database, uid, row, probe.descriptors.shape[1]))
            except InputError as error:
                report.notes.append((name, f"without hloc's features: {error}"))
            announce(on_progress, ProgressEvent("features", done, len(uids), uid))
    return report


def _upright(database: Database, uid: str, row: FeatureRow, length: int) -> LocalFeatures:
    """The features in pixels of the upright picture; hloc looks at pictures as they are stored."""
    found = row.features.descriptors.shape[1]
    if found != length and len(row.features):
        msg = f"their descriptors have {found} numbers, this network's {length}: name the right --model"
        raise InputError(msg)
    orientation = read_exif(database.image_path(uid)).orientation
    metadata, turns = database.metadata(uid), _QUARTER_TURNS[orientation]
    size = (metadata.h, metadata.w) if turns % 2 else (metadata.w, metadata.h)
    if row.size != size:
        msg = f"they are of {row.size[0]}x{row.size[1]} pixels, the picture has {size[0]}x{size[1]}"
        raise InputError(msg)
    pixels, height, width = row.features.keypoints.astype(float), size[1], size[0]
    for _ in range(turns):
        pixels = np.stack([height - pixels[:, 1], pixels[:, 0]], axis=1)
        height, width = width, height
    return LocalFeatures(pixels.astype(np.float32), row.features.scores, row.features.descriptors)
