"""A localizer that only plays one, for tests of what is printed."""

from __future__ import annotations

from pathlib import Path

from geonav.data.database import Database
from geonav.data.results import Ellipse, LocalizationResult, PositionStd
from geonav.errors import DatabaseError, ImageError
from geonav.geometry.camera import Camera


class ScriptedLocalizer:
    """Locates photos by their names."""

    calls: list[dict[str, object]]

    def __init__(self, database: Database, config: object) -> None:
        type(self).calls = []
        self.config = config

    def locate(self, path: Path, camera: Camera | None = None, mask: Path | None = None) -> LocalizationResult:
        self.calls.append({"path": path, "camera": camera, "mask": mask, "config": self.config})
        if "broken" in path.name:
            msg = f"{path} is not an image: give a JPEG, PNG or HEIC file"
            raise ImageError(msg)
        if "interrupt" in path.name:
            raise KeyboardInterrupt
        if "database" in path.name:
            msg = "castle is not indexed: run 'geonav index global --database castle'"
            raise DatabaseError(msg)
        if "nowhere" in path.name:
            return LocalizationResult(query=str(path), status="not_located", reason="too few matches")
        return LocalizationResult(
            query=str(path),
            status="located",
            lat=48.5,
            lng=-8.25,
            alt=130.5,
            alt_datum="wgs84",
            azimuth=12.5,
            pitch=1.0,
            roll=-1.0,
            E=[[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]],
            K=[[1000.0, 0, 500], [0, 1000, 400], [0, 0, 1]],
            K_source="given",
            position_std_m=PositionStd(east=0.01, north=0.01, up=0.01),
            azimuth_std_deg=0.02,
            ellipse_95=Ellipse(semi_major_m=0.031, semi_minor_m=0.02, azimuth_deg=45),
            num_inliers=321,
            notes=["a note"],
        )
