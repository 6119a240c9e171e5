"""The map of a database: ``.geonav/map``, whose parts are named by what they were made of.

    map/
    |- links/<uid>.npz             matches of a reference with those of a higher uid
    |- solved/<name>/              what solving gave, before parts were brought together
    `- parts/<id>/                 one rigid piece of the world
       |- sparse/                  a COLMAP model; images are called as in the database, UID/image.jpg
       |- part.npz                 poses, their joint covariance, cameras, points and who saw them where
       `- report.json              written last: what `geonav map report` tells

A part appears by one rename of a finished folder and never changes. An entry's ``map_version`` names the part that its
``E_refined`` is of, so that parts of two runs may stand side by side while entries are still being rewritten.
"""

from __future__ import annotations

import io
import json
import secrets
import shutil
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geonav.data.database import OWN_FOLDER, Database
from geonav.data.files import atomic_save_arrays, atomic_write_json, read_json_object, storage_errors
from geonav.data.links import LinkStore
from geonav.data.names import checked_name
from geonav.errors import DatabaseError, InputError
from geonav.geometry.camera import Camera

_UNREADABLE = (OSError, ValueError, KeyError, EOFError, TypeError, RuntimeError, InputError, zipfile.BadZipFile)
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class MapPart:
    """One rigid piece of the world: V references in F frames, P points, O observations sorted by point.

    Attributes:
        uids: of the references.
        stamps: of what each reference was when it was mapped.
        feature_stamps: of the local features whose keypoints the observations count.
        cameras: as solved where they were not known.
        poses: ``E`` camera_from_world (V, 4, 4), metres at the database's origin.
        frames: (V,) number of each reference's frame; the views of one panorama share one.
        covariance: (6F, 6F) float32, joint, of all frames: turn about east, north, up (radians), then shift (metres).
        own_std: (F, 2) what each frame may be off besides, alone: radians and metres.
        points: (P, 3) metres.
        view: (O,) which reference saw a point.
        keypoint: (O,) its keypoint.
        point: (O,) the point, rising.
        pixels: (O, 2) float32, of the upright picture.
        errors_px: (O,) float32, between each keypoint and its point.
        facts: what else is told of the part.
    """

    uids: list[str]
    stamps: list[str]
    feature_stamps: list[str]
    cameras: list[Camera]
    poses: Floats
    frames: Ints
    covariance: NDArray[np.float32]
    own_std: Floats
    points: Floats
    view: Ints
    keypoint: Ints
    point: Ints
    pixels: NDArray[np.float32]
    errors_px: NDArray[np.float32]
    facts: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def row_of(self) -> dict[str, int]:
        """Row of each reference."""
        return {uid: row for row, uid in enumerate(self.uids)}

    @cached_property
    def _starts(self) -> Ints:
        """First observation of each point, and their number at the end."""
        return np.searchsorted(self.point, np.arange(len(self.points) + 1))

    @cached_property
    def _points_of_views(self) -> tuple[Ints, Ints]:
        """Observations by view, then keypoint, and where each view's begin."""
        order = np.lexsort((self.keypoint, self.view))
        return order, np.searchsorted(self.view[order], np.arange(len(self.uids) + 1))

    def points_at(self, row: int, keypoints: Ints) -> Ints:
        """The points (N,) that some keypoints (N,) of a reference show, -1 for none."""
        order, starts = self._points_of_views
        own = order[starts[row] : starts[row + 1]]
        if not len(own):
            return np.full(len(keypoints), -1)
        at = np.searchsorted(self.keypoint[own], keypoints).clip(max=len(own) - 1)
        return np.where(self.keypoint[own[at]] == keypoints, self.point[own[at]], -1)

    def sightings(self, points: Ints) -> tuple[Ints, Ints]:
        """All observations of some points (N,), and which of the points each is of."""
        counts = self._starts[points + 1] - self._starts[points]
        of = np.repeat(np.arange(len(points)), counts)
        within = np.arange(len(of)) - np.repeat(np.cumsum(counts) - counts, counts)
        return self._starts[points][of] + within, of

    def covariance_of(self, rows: Sequence[int]) -> Floats:
        """Joint covariance (6N, 6N) of some references, what each may be off alone included."""
        frames = self.frames[list(rows)]
        at = (6 * frames[:, None] + np.arange(6)).ravel()
        joint = self.covariance[np.ix_(at, at)].astype(float)
        variances = np.repeat(self.own_std[frames] ** 2, 3, axis=1).ravel()
        same = np.repeat(np.repeat(frames[:, None] == frames, 6, axis=0), 6, axis=1)
        added = np.where(
            same & (np.tile(np.arange(6), len(frames))[:, None] == np.tile(np.arange(6), len(frames))), 1, 0
        )
        return np.asarray(joint + added * np.sqrt(np.outer(variances, variances)), np.float64)


class MapStore:
    """Reads and writes the map of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.folder = database.path / OWN_FOLDER / "map"

    @property
    def links(self) -> LinkStore:
        """Matches between references."""
        return LinkStore(self.folder / "links")

    def part_ids(self) -> list[str]:
        """Names of all finished parts."""
        return sorted(path.parent.name for path in self.folder.glob("parts/*/report.json"))

    def part_path(self, part_id: str) -> Path:
        """Folder of a part."""
        return self.folder / "parts" / checked_name(part_id)

    def has(self, part_id: str) -> bool:
        """Whether a part is there whole."""
        return (self.part_path(part_id) / "report.json").exists()

    def model_path(self, part_id: str) -> Path:
        """Folder of a part's COLMAP model."""
        return self.part_path(part_id) / "sparse"

    def report(self, part_id: str) -> dict[str, Any]:
        """What was told of a part when it was made.

        Raises:
            DatabaseError: it is not there, or broken.
        """
        return read_json_object(self.part_path(part_id) / "report.json")

    def write(self, part_id: str, part: MapPart, report: dict[str, Any], model: Callable[[Path], None]) -> None:
        """Store a part; ``model`` writes its COLMAP model into a folder.

        Raises:
            StorageError: the disk is full, read-only or not permitted.
        """

        def fill(draft: Path) -> None:
            model(draft / "sparse")
            atomic_save_arrays(draft / "part.npz", **_arrays(part))
            atomic_write_json(draft / "report.json", report)

        self._make(self.part_path(part_id), fill)

    def read(self, part_id: str) -> MapPart:
        """Read a part.

        Raises:
            DatabaseError: it is missing or broken.
        """
        return _read(self.part_path(part_id) / "part.npz")

    def write_solved(self, name: str, pieces: Sequence[MapPart]) -> None:
        """Keep what solving one part gave, before parts are brought together.

        Raises:
            StorageError: the disk is full, read-only or not permitted.
        """

        def fill(draft: Path) -> None:
            for number, piece in enumerate(pieces):
                atomic_save_arrays(draft / f"{number}.npz", **_arrays(piece))
            atomic_write_json(draft / "solved.json", {"pieces": len(pieces)})

        self._make(self.folder / "solved" / checked_name(name), fill)

    def read_solved(self, name: str) -> list[MapPart] | None:
        """The same again; None where there is none, or it is broken."""
        folder = self.folder / "solved" / checked_name(name)
        try:
            count = int(read_json_object(folder / "solved.json")["pieces"])
            return [_read(folder / f"{number}.npz") for number in range(count)]
        except _UNREADABLE:
            return None

    def _make(self, target: Path, fill: Callable[[Path], None]) -> None:
        """A folder that appears whole, or not at all."""
        draft = self.folder / "tmp" / secrets.token_hex(8)
        with storage_errors(target):
            try:
                draft.mkdir(parents=True)
                target.parent.mkdir(exist_ok=True)
                fill(draft)
                shutil.rmtree(target, ignore_errors=True)
                draft.replace(target)
            except BaseException:
                shutil.rmtree(draft, ignore_errors=True)
                raise

    def forget_all_but(self, part_ids: set[str], solved: set[str] | None = None) -> None:
        """Remove other parts and other solved ones (none of these if None), and what interrupted runs left."""
        kept: dict[str, set[str]] = {"parts": part_ids, "tmp": set()}
        if solved is not None:
            kept["solved"] = solved
        for kind, names in kept.items():
            for path in self.folder.glob(f"{kind}/*"):
                if path.name not in names:
                    shutil.rmtree(path, ignore_errors=True)


def _read(path: Path) -> MapPart:
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as arrays:
            return _part({name: arrays[name] for name in arrays.files})
    except _UNREADABLE as error:
        msg = f"the map's {path} is missing or broken: run `geonav map build`"
        raise DatabaseError(msg) from error


def _arrays(part: MapPart) -> dict[str, NDArray[Any]]:
    cameras = [{"model": c.model, "size": [c.width, c.height], "params": list(c.params)} for c in part.cameras]
    words: dict[str, Any] = {
        "uids": part.uids,
        "stamps": part.stamps,
        "feature_stamps": part.feature_stamps,
        "cameras": cameras,
    }
    words["facts"] = part.facts
    arrays: dict[str, NDArray[Any]] = {
        name: np.frombuffer(json.dumps(value).encode(), np.uint8) for name, value in words.items()
    }
    for name in ("view", "keypoint", "point"):
        arrays[name] = getattr(part, name).astype(np.int32)
    for name in ("poses", "frames", "covariance", "own_std", "points", "pixels", "errors_px"):
        arrays[name] = getattr(part, name)
    return arrays


def _part(arrays: dict[str, NDArray[Any]]) -> MapPart:
    def words(name: str) -> Any:  # noqa: ANN401 - any JSON
        return json.loads(arrays[name].tobytes())

    cameras = [Camera(c["model"], c["size"][0], c["size"][1], tuple(c["params"])) for c in words("cameras")]
    return MapPart(
        uids=words("uids"),
        stamps=words("stamps"),
        feature_stamps=words("feature_stamps"),
        cameras=cameras,
        poses=arrays["poses"],
        frames=arrays["frames"].astype(np.int64),
        covariance=arrays["covariance"],
        own_std=arrays["own_std"],
        points=arrays["points"],
        view=arrays["view"].astype(np.int64),
        keypoint=arrays["keypoint"].astype(np.int64),
        point=arrays["point"].astype(np.int64),
        pixels=arrays["pixels"],
        errors_px=arrays["errors_px"],
        facts=words("facts"),
    )
