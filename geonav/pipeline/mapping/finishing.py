"""From solved parts to the map: parts brought together, stored, and said in the entries' metadata."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geonav.data.database import Database
from geonav.data.map_store import MapPart, MapStore
from geonav.data.metadata import ImageMetadata, RefinedCamera
from geonav.data.progress import OnProgress, ProgressEvent, announce
from geonav.data.stamps import stamp
from geonav.errors import DatabaseError
from geonav.pipeline.mapping.joining import joined
from geonav.pipeline.mapping.pieces import write_colmap
from geonav.pipeline.mapping.telling import part_report
from geonav.pipeline.mapping.views import MapView
from geonav.pipeline.stored import StoredFeatures

Array = NDArray[np.float64]
_REFINED = ("E_refined", "E_refined_cov", "camera_refined", "map_version")


@dataclass(frozen=True)
class Finisher:
    """Stores the parts of a map.

    Attributes:
        database: whose entries are told.
        store: of its map.
        views: the references as their sources describe them.
        features: of the references.
        on_progress: told of each entry.
    """

    database: Database
    store: MapStore
    views: Mapping[str, MapView]
    features: StoredFeatures
    on_progress: OnProgress | None = None

    def parts(self, solved: list[tuple[str, list[MapPart]]]) -> list[tuple[str, MapPart]]:
        """The pieces of one connected area, brought together, each with its name."""
        pieces = [(f"{name}-{number}", piece) for name, found in solved for number, piece in enumerate(found)]
        together = joined([piece for _, piece in pieces])
        return [(part_name(name, piece), piece) for (name, _), piece in zip(pieces, together, strict=True)]

    def write(
        self, parts: list[tuple[str, MapPart]], solved: set[str] | None = None, kept: frozenset[str] = frozenset()
    ) -> None:
        """Store the parts, then tell the entries, then remove what no entry names any more.

        Args:
            parts: the new ones.
            solved: names of what solving gave that a later run may go on with; all if None.
            kept: names of parts that stay as they are.

        Raises:
            StorageError: the disk is full, read-only or not permitted.
        """
        for name, part in parts:
            if not self.store.has(name):
                self._store(name, part)
        homes = _homes(parts)
        for done, uid in enumerate(self.database.uids(), 1):
            self._tell(uid, homes.get(uid), kept)
            announce(self.on_progress, ProgressEvent("write poses", done, len(self.database), uid))
        self.store.forget_all_but({name for name, _ in parts} | kept, solved)
        self.store.links.forget_all_but(set(self.database.uids()))

    def _store(self, name: str, part: MapPart) -> None:
        keypoints = {uid: self.features.read(uid).keypoints.astype(float) for uid in part.uids}
        report = part_report(name, part, self.views, self.database.frame)
        self.store.write(
            name,
            part,
            report.model_dump(mode="json"),
            lambda folder: write_colmap(part, self.database, keypoints, folder),
        )

    def _tell(self, uid: str, home: tuple[str, MapPart] | None, kept: frozenset[str]) -> None:
        """Write an entry's refined pose, or take an outdated one away; a file that would not change is not written."""
        try:
            metadata = self.database.metadata(uid)
        except DatabaseError:
            return  # named in the report
        if home is None and metadata.map_version in kept and uid in self.views:
            return
        wanted: dict[str, Any] = dict.fromkeys(_REFINED)
        if home is not None:
            wanted = _refined(uid, *home, self.views[uid])
        if all(getattr(metadata, name) == value for name, value in wanted.items()):
            return
        data = metadata.model_dump() | wanted
        self.database.replace_metadata(uid, ImageMetadata.model_validate(data))


def _refined(uid: str, name: str, part: MapPart, view: MapView) -> dict[str, Any]:
    row = part.row_of[uid]
    camera = part.cameras[row]
    known: dict[str, Any] = {
        "E_refined": part.poses[row].tolist(),
        "E_refined_cov": part.covariance_of([row]).tolist(),
        "camera_refined": None,
        "map_version": name,
    }
    if camera != view.camera:
        known["camera_refined"] = RefinedCamera(model=camera.model, params=list(camera.params))
    return known


def part_name(name: str, part: MapPart) -> str:
    """What a part is called: by the piece that it was solved as, and where it was put."""
    digest = hashlib.sha256(part.poses.round(6).tobytes()).hexdigest()
    return stamp({"solved": name, "poses": digest})


def _homes(parts: list[tuple[str, MapPart]]) -> dict[str, tuple[str, MapPart]]:
    """The part that each reference is told of: where it sees most points."""
    homes: dict[str, tuple[str, MapPart]] = {}
    most: dict[str, int] = {}
    for name, part in parts:
        counts = np.bincount(part.view, minlength=len(part.uids)).tolist()
        for uid, count in zip(part.uids, counts, strict=True):
            if count > most.get(uid, -1):
                most[uid], homes[uid] = count, (name, part)
    return homes
