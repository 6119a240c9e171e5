"""A rendered city for slow tests: references in four directions from the road, and photos as people take them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from geonav.config import GeonavConfig
from geonav.data.database import Database
from geonav.geometry.camera import Camera
from geonav.geometry.orientation import rotation_from_angles
from geonav.geometry.pose import camera_center, pose_from_center
from geonav.pipeline.importing import ColmapImport, import_colmap
from geonav.pipeline.index import index_local
from geonav.providers.demo.city import CityPlan, DemoCity
from geonav.providers.demo.poses import Shot
from geonav.providers.demo.write import write_colmap

NUM_VIEWS, SIDE_PX, FOV_DEG = 4, 640, 90.0


@dataclass(frozen=True)
class CityPhotos:
    """Where a city's pictures lie.

    Attributes:
        references: database of posed views with local features.
        queries: database of posed photos with local features.
        photos: folder of the photos as taken, with ``poses.json``.
    """

    references: Path
    queries: Path
    photos: Path

    @classmethod
    def made(cls, folder: Path, num_places: int, num_queries: int) -> CityPhotos:
        """Render a city and extract keypoints; about two seconds a picture on two cores. What is there is kept."""
        city = DemoCity(CityPlan(num_panoramas=num_places))
        origin, made = city.plan.origin, cls(folder / "references", folder / "queries", folder / "photos")
        if not (made.photos / "poses.json").exists():
            city.write_queries(made.photos, num_queries)
        _write_views(city, folder)
        for database, colmap, images in (
            (made.references, folder / "colmap", folder / "images"),
            (made.queries, made.photos / "colmap", made.photos / "images"),
        ):
            if not database.exists():
                import_colmap(database, colmap, ColmapImport(images=images, origin=origin))
            index_local(Database.open(database), GeonavConfig())
        return made


def _write_views(city: DemoCity, folder: Path) -> None:
    """The references' pictures in ``images`` and their poses in ``colmap``."""
    camera = Camera.from_fov(SIDE_PX, SIDE_PX, FOV_DEG)
    images = folder / "images"
    images.mkdir(parents=True, exist_ok=True)

    def photograph(number: int) -> Shot:
        pano, view = city.panoramas[number // NUM_VIEWS], number % NUM_VIEWS
        azimuth_deg = (pano.heading_deg + view * 360.0 / NUM_VIEWS) % 360.0
        center = np.asarray(city.frame.enu_from_geo(pano.lat, pano.lng, pano.alt_m))
        pose = pose_from_center(rotation_from_angles(azimuth_deg), center)
        shot = Shot(f"{pano.pano_id}_{view:02d}.jpg", camera, pose)
        if not (images / shot.name).exists():
            picture = city.view(pano.pano_id, azimuth_deg, 0.0, FOV_DEG, SIDE_PX, SIDE_PX)
            (images / shot.name).write_bytes(picture)
        return shot

    with ThreadPoolExecutor(2) as threads:
        shots = list(threads.map(photograph, range(len(city.panoramas) * NUM_VIEWS)))
    write_colmap(folder / "colmap", shots)


def center_of(database: Database, uid: str) -> np.ndarray:
    """Where the camera of an entry stood, East-North-Up metres (3,)."""
    return camera_center(np.array(database.metadata(uid).E, float))
