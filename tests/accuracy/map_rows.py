"""References made wrong on purpose, mapped, and photos located against the map: the figures of each kind of noise."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from geonav.config import load_config
from geonav.data.database import Database
from geonav.geometry.geodesy import LocalFrame
from geonav.geometry.pose import camera_center, rotation_error_deg
from geonav.pipeline.importing import ColmapImport, FolderImport, import_colmap, import_folder
from geonav.pipeline.localize import Localizer
from geonav.pipeline.mapping.build import build_map
from geonav.pipeline.mapping.report import MapReport
from tests.accuracy.shared_photos import DATA, MEMORY, Scene, camera_of

TOOLS = DATA.parent / "tools"


@dataclass(frozen=True)
class Noise:
    """One row of the table: what is wrong with the references."""

    position_m: float
    heading_deg: float
    outliers: float = 0.0
    drives: bool = False
    gps_only: bool = False
    with_map: bool = True
    settings: tuple[tuple[str, str, Any], ...] = ()

    @property
    def arguments(self) -> list[str]:
        given = ["--sigma-m", str(self.position_m), "--sigma-deg", str(self.heading_deg)]
        given += ["--outliers", str(self.outliers)] if self.outliers else []
        given += ["--drives"] if self.drives else []
        return given + (["--gps-only"] if self.gps_only else [])

    @property
    def dimensions(self) -> int:
        return 2 if self.gps_only else 3

    def config(self) -> Any:
        overrides: dict[str, dict[str, Any]] = {}
        for section, name, value in self.settings:
            overrides.setdefault(section, {})[name] = value
        return load_config(overrides=overrides)


@dataclass
class Measured:
    """One seed."""

    floor_m: float
    errors_m: list[float] = field(default_factory=list)
    errors_deg: list[float] = field(default_factory=list)
    normalised: list[float] = field(default_factory=list)
    inside: list[bool] = field(default_factory=list)
    semi_major_m: list[float] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    report: MapReport | None = None
    wrong: list[str] = field(default_factory=list)

    @property
    def located(self) -> float:
        return len(self.errors_m) / (len(self.errors_m) + len(self.refused))

    @property
    def median_m(self) -> float:
        return float(np.median(self.errors_m))


@contextmanager
def remembering() -> Iterator[None]:
    """The real networks, run once for each photo and each pair, however many maps are made of them."""
    from geonav.vision.disk import DiskExtractor
    from geonav.vision.lightglue import LightGlueMatcher

    extract, match = DiskExtractor.extract, LightGlueMatcher.match

    def remembered_extract(self: Any, images: Any, masks: Any = None) -> Any:
        del masks
        return [MEMORY.recall([image], lambda i=image: extract(self, [i])[0]) for image in images]

    def remembered_match(self: Any, a: Any, size_a: Any, b: Any, size_b: Any) -> Any:
        key = [a.keypoints, b.keypoints, size_a, size_b]
        return MEMORY.recall(key, lambda: match(self, a, size_a, b, size_b))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DiskExtractor, "extract", remembered_extract)
        patch.setattr(LightGlueMatcher, "match", remembered_match)
        yield


@cache
def _tools() -> Any:
    sys.path.insert(0, str(TOOLS))
    try:
        import noise_floor
    finally:
        sys.path.remove(str(TOOLS))
    return noise_floor


def noisy_database(
    folder: Path, scene: Scene, noise: Noise, seed: int, like: Path | None
) -> tuple[Database, list[str]]:
    """References with wrong poses in a database, and the names of those that are grossly wrong.

    Args:
        folder: for the database and what is imported.
        scene: whose even photos are the references.
        noise: what is wrong with them.
        seed: of the noise.
        like: a database of the same photos whose features are taken over.
    """
    source, target = folder / f"source-{seed}", folder / f"map-{seed}"
    tool = [sys.executable, str(TOOLS / "perturb_references.py")]
    subprocess.run(
        [*tool, str(scene.root), str(source), "--seed", str(seed), *noise.arguments], check=True, capture_output=True
    )
    said = json.loads((source / "noise.json").read_text())
    if noise.gps_only:
        import_folder(target, source / "images", FolderImport(position_std_m=noise.position_m))
    else:
        _import_model(target, source, scene, noise, said)
    if like is not None:
        _take_over(like, target)
    shutil.rmtree(source)
    return Database.open(target), [Path(name).stem for name in said["grossly_wrong"]]


def _import_model(target: Path, source: Path, scene: Scene, noise: Noise, said: dict[str, Any]) -> None:
    exact = noise.position_m == 0
    trust = {} if exact else {"position_std_m": noise.position_m, "heading_std_deg": noise.heading_deg}
    drives = said["drive"] if noise.drives else [None] * len(said["drive"])
    names = [f"{2 * i:04}.jpg" for i in range(len(drives))]
    for drive in dict.fromkeys(drives):
        own = tuple(name for name, of in zip(names, drives, strict=True) if of == drive)
        options = ColmapImport(
            images=source / "images",
            origin=scene.origin,
            include=own,
            sequence=None if drive is None else f"drive {drive}",
            **(trust if drive is None else {"position_std_m": 0.4, "heading_std_deg": noise.heading_deg}),
        )
        import_colmap(target, source / "colmap", options)


def _take_over(like: Path, target: Path) -> None:
    for entry in like.iterdir():
        if entry.name != ".geonav" and (target / entry.name).is_dir():
            for made in [*entry.glob("*.npy"), *entry.glob("*.npz")]:
                shutil.copy2(made, target / entry.name / made.name)
    for name in ("settings", "index"):
        shutil.copytree(like / ".geonav" / name, target / ".geonav" / name, dirs_exist_ok=True)


def measure(folder: Path, scene: Scene, noise: Noise, seed: int, like: Path | None) -> Measured:
    """Make a map of noisy references, locate every query against it, and compare with the truth and the floor."""
    database, wrong = noisy_database(folder, scene, noise, seed, like)
    config = noise.config()
    floor = 0.0
    if noise.position_m:
        kinds = {"outliers": noise.outliers, "drives": noise.drives, "gps_only": noise.gps_only}
        floor = _tools().floor_m(scene.root, noise.position_m, noise.heading_deg, seed, **kinds)
    measured = Measured(floor, wrong=wrong)
    if noise.with_map:
        measured.report = build_map(database, config)
    else:
        from geonav.pipeline.index import index_global

        index_global(database, config)
    localizer = Localizer(database, config)
    for image in scene.rest(2):
        result = localizer.locate(scene.root / image["image"], camera=camera_of(image))
        if result.E is None or result.position_std_m is None:
            measured.refused.append(f"{Path(image['image']).stem}: {result.reason}")
        else:
            _score(measured, result, image, LocalFrame(scene.origin).rigid_from(database.frame), noise)
    return measured


def _score(
    measured: Measured, result: Any, image: dict[str, Any], truth_from_database: np.ndarray, noise: Noise
) -> None:
    truth, pose, ellipse = np.array(image["E"]) @ truth_from_database, np.array(result.E), result.ellipse_95
    error = camera_center(pose) - camera_center(truth)
    angle = np.radians(ellipse.azimuth_deg)
    along, across = (
        error[0] * np.sin(angle) + error[1] * np.cos(angle),
        error[0] * np.cos(angle) - error[1] * np.sin(angle),
    )
    square = (along / ellipse.semi_major_m) ** 2 + (across / ellipse.semi_minor_m) ** 2
    measured.errors_m.append(float(np.linalg.norm(error[: noise.dimensions])))
    measured.errors_deg.append(rotation_error_deg(pose[:3, :3], truth[:3, :3]))
    measured.normalised.append(float(square) * 5.991 / 2)
    measured.inside.append(bool(square <= 1))
    measured.semi_major_m.append(ellipse.semi_major_m)


def summary(seeds: list[Measured]) -> dict[str, float]:
    """The figures of a row."""
    with_floor = all(seed.floor_m > 0 for seed in seeds)
    errors = np.concatenate([seed.errors_m for seed in seeds])
    return {
        "seeds": len(seeds),
        "located": float(np.mean([seed.located for seed in seeds])),
        "median_m": float(np.median([seed.median_m for seed in seeds])),
        "worst_m": float(errors.max()),
        "median_deg": float(np.median([np.median(seed.errors_deg) for seed in seeds])),
        "ratio": float(np.median([seed.median_m / seed.floor_m for seed in seeds])) if with_floor else 0.0,
        "floor_m": float(np.median([seed.floor_m for seed in seeds])),
        "coverage": float(np.mean(np.concatenate([seed.inside for seed in seeds]))),
        "normalised": float(np.mean(np.concatenate([seed.normalised for seed in seeds]))),
        "semi_major_ratio": float(np.median(np.concatenate([seed.semi_major_m for seed in seeds])) / np.median(errors)),
    }
