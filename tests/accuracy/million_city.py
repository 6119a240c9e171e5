"""Run as a program: a city's references among a million made-up ones, and photos located there; prints one JSON object.

``python -m tests.accuracy.million_city grow SOURCE TARGET COUNT`` copies an indexed database and adds entries that have
metadata, on a grid of 5 m, and a vector drawn at random: what a million costs, not how hard it is to tell apart.
``python -m tests.accuracy.million_city ask DATABASE QUERIES`` locates photos of another database.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from geonav.config import GeonavConfig
from geonav.data.database import Database
from geonav.data.places import Places
from geonav.geometry.pose import camera_center
from geonav.pipeline.global_stage import GlobalStage
from geonav.pipeline.localize import Localizer
from geonav.pipeline.stages import load_features
from geonav.retrieval.choose import choose_kind, new_index
from tests.retrieval.million import held_mb, seconds

AT_ONCE = 10_000
SPACING_M = 5.0
# The best of a million vectors as long as real ones would come before some of the references that see the photo.
LENGTH = 0.2


def grow(source: Path, target: Path, count: int) -> dict[str, Any]:
    """A database of ``count`` entries in all."""
    shutil.copytree(source, target)
    database, config = Database.open(target), GeonavConfig()
    stage = GlobalStage.for_reading(database, config, load_features(database, config))
    real = database.uids()
    index = new_index(choose_kind("auto", count), stage.asking.dim, stage._projection.stamp)
    index.add(real, stage.index.vectors(real))
    rng, write_s = np.random.default_rng(0), 0.0
    for uids, texts in made_up(database, count - len(real)):
        start = time.perf_counter()
        for uid, text in zip(uids, texts, strict=True):
            (target / uid).mkdir()
            (target / uid / "metadata.json").write_text(text, "utf-8")
        write_s += time.perf_counter() - start
        vectors = rng.standard_normal((len(uids), stage.asking.dim), np.float32)
        index.add(uids, LENGTH * vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
    index.save(database.index_dir(config.retrieval.descriptor))
    places_s, _ = seconds(Places.of, Database.open(target))
    return {"kind": index.kind, "entries_s": write_s, "places_s": places_s}


def made_up(database: Database, count: int) -> Iterator[tuple[list[str], list[str]]]:
    """Names and metadata of entries that look where the first entry looks, in rows of a thousand."""
    first = database.metadata(database.uids()[0])
    pose, center, data = np.array(first.E, float), camera_center(np.array(first.E, float)), first.model_dump()
    for start in range(0, count, AT_ONCE):
        numbers = np.arange(start, min(start + AT_ONCE, count))
        away = np.stack([numbers % 1000, numbers // 1000 + 100, 0 * numbers], 1) * SPACING_M
        places = np.stack(database.frame.geo_from_enu(center + away), 1)
        texts = []
        for place, there in zip(places, center + away, strict=True):
            pose[:3, 3] = -pose[:3, :3] @ there
            texts.append(json.dumps(data | dict(zip(("lat", "lng", "alt"), place, strict=True)) | {"E": pose.tolist()}))
        yield [f"made-up-{number:07d}" for number in numbers], texts


def ask(path: Path, queries: Path) -> dict[str, Any]:
    """Locate every fifth photo; the first one's time holds the opening."""
    asked = Database.open(queries)
    open_s, localizer = seconds(lambda: Localizer(Database.open(path), GeonavConfig()))
    located, took = [], []
    for uid in asked.uids()[::5]:
        camera = asked.metadata(uid).camera
        took_s, result = seconds(partial(localizer.locate, asked.image_path(uid), camera=camera))
        took.append(took_s)
        located += [uid] * (result.status == "located")
    return {
        "located": located,
        "open_and_first_s": open_s + took[0],
        "median_s": float(np.median(took[1:])),
        **{f"{name}_mb": round(held_mb(name)) for name in ("RssAnon", "RssFile", "VmHWM")},
    }


if __name__ == "__main__":
    arguments = [Path(text) for text in sys.argv[2:4]]
    work = grow(*arguments, int(sys.argv[4])) if sys.argv[1] == "grow" else ask(*arguments)
    sys.stdout.write(json.dumps(work) + "\n")
