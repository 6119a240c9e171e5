"""A database of very many entries that costs no indexing: the settings of a real one, and vectors drawn at random."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from geonav.config import GeonavConfig
from geonav.data.database import OWN_FOLDER, Database
from geonav.pipeline.global_stage import GlobalStage
from geonav.pipeline.stages import load_features
from geonav.retrieval.choose import new_index


def make_many(base: Database, folder: Path, count: int) -> Path:
    """A database of ``count`` entries with their metadata and an index of them, made after ``base``."""
    folder.mkdir(parents=True)
    shutil.copytree(base.path / OWN_FOLDER, folder / OWN_FOLDER)
    (folder / OWN_FOLDER / "places.npz").unlink(missing_ok=True)
    metadata = (base.entry_path(base.uids()[0]) / "metadata.json").read_bytes()
    uids = [f"{number:07d}" for number in range(count)]
    for uid in uids:
        (folder / uid).mkdir()
        (folder / uid / "metadata.json").write_bytes(metadata)
    database, config = Database.open(folder), GeonavConfig()
    stage = GlobalStage.for_reading(database, config, load_features(database, config))
    index = new_index("flat", stage.asking.dim, stage._projection.stamp)
    vectors = np.random.default_rng(0).normal(size=(count, 128)).astype(np.float32)
    wide = np.zeros((count, stage.asking.dim), np.float32)
    wide[:, :128] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    index.add(uids, wide)
    index.save(database.index_dir(config.retrieval.descriptor))
    return folder
