"""What a photo's EXIF says about its camera and place, and the camera that follows from it.

:func:`geonav.data.exif_reader.exif_from_image` fills :class:`ExifInfo`.
"""

from __future__ import annotations

import math
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple

from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from geonav.geometry.camera import Camera

# EXIF 3.0 on GPSAltitudeRef: 0, 1 above and below sea level; 2, 3 above and below the ellipsoid.
_ELLIPSOIDAL = {2, 3}
_DIAGONAL_35MM_MM = math.hypot(36.0, 24.0)
_ROUNDING_MM = 1 / math.sqrt(12)  # standard deviation of a number rounded to the millimetre
_LEAST_STD_REL = 0.01
_SENSOR_DB_STD_REL = 0.02
_PROBE_SIZE_PX = (96, 64)


@dataclass(frozen=True)
class ExifInfo:
    """The fields geonav uses; None where absent or absurd.

    Attributes:
        orientation: 1 to 8, how the stored pixels are turned.
        focal_35mm_mm: focal length of the 35 mm camera with the same view, in millimetres.
        focal_mm: focal length in millimetres.
        make: manufacturer of the camera.
        model: model of the camera.
        captured_at: ISO 8601, with the offset from UTC where the camera wrote one.
        lat_deg: WGS84.
        lng_deg: WGS84.
        alt_m: height in metres in :attr:`alt_datum`, negative below it.
        alt_ref: EXIF's GPSAltitudeRef, 0 to 3.
        heading_deg: of the optical axis, clockwise from north, in [0, 360).
        heading_ref: "T" from true north, "M" from magnetic north.
        gps_error_m: horizontal error of the position in metres.
        warnings: one line for each value that was dropped.
    """

    orientation: int = 1
    focal_35mm_mm: float | None = None
    focal_mm: float | None = None
    make: str | None = None
    model: str | None = None
    captured_at: str | None = None
    lat_deg: float | None = None
    lng_deg: float | None = None
    alt_m: float | None = None
    alt_ref: int = 0
    heading_deg: float | None = None
    heading_ref: Literal["T", "M"] | None = None
    gps_error_m: float | None = None
    warnings: tuple[str, ...] = ()

    @property
    def has_position(self) -> bool:
        """Whether latitude and longitude are known."""
        return self.lat_deg is not None and self.lng_deg is not None

    @property
    def alt_datum(self) -> Literal["egm96", "wgs84"]:
        """What the height refers to: sea level (taken as EGM96) unless EXIF says ellipsoid."""
        return "wgs84" if self.alt_ref in _ELLIPSOIDAL else "egm96"


class ExifCamera(NamedTuple):
    """A camera read from EXIF.

    Attributes:
        camera: a pinhole with its principal point in the middle.
        source: "exif_35mm" or "exif_sensor_db".
        focal_std_rel: standard deviation of the focal length, as a fraction of it.
    """

    camera: Camera
    source: Literal["exif_35mm", "exif_sensor_db"]
    focal_std_rel: float


def camera_from_exif(exif: ExifInfo, width: int, height: int) -> ExifCamera | None:
    """The camera of an upright picture of ``width`` x ``height`` pixels, or None.

    The 35 mm focal length is taken along the diagonal (43.27 mm), as CIPA DCG-001 defines it and as
    COLMAP 4 reads it. Some makers scale by the longer side instead; on pictures that are not 3:2
    half the difference is counted as uncertainty, beside the rounding to the millimetre.
    """
    if exif.focal_35mm_mm is not None:
        focal_px = exif.focal_35mm_mm * math.hypot(width, height) / _DIAGONAL_35MM_MM
        by_side_px = exif.focal_35mm_mm * max(width, height) / 36.0
        rounding = max(_ROUNDING_MM / exif.focal_35mm_mm, _LEAST_STD_REL)
        convention = abs(by_side_px - focal_px) / 2 / focal_px
        camera = Camera.from_focal(width, height, focal_px)
        return ExifCamera(camera, "exif_35mm", math.hypot(rounding, convention))
    if exif.focal_mm is None or not exif.make or not exif.model:
        return None
    relative = _focal_by_sensor(exif.make, exif.model, exif.focal_mm)
    if relative is None:
        return None
    camera = Camera.from_focal(width, height, relative * max(width, height))
    return ExifCamera(camera, "exif_sensor_db", _SENSOR_DB_STD_REL)


@lru_cache(maxsize=1024)
def _focal_by_sensor(make: str, model: str, focal_mm: float) -> float | None:
    """Focal length over the longer side of the picture, or None for an unknown camera.

    pycolmap opens its database of sensors only from a picture's EXIF, so it gets a tiny one.
    """
    import pycolmap

    exif = Image.Exif()
    exif[271], exif[272] = (text.encode("ascii", "replace").decode() for text in (make, model))
    exif.get_ifd(0x8769)[37386] = IFDRational(round(focal_mm * 1000), 1000)
    with tempfile.TemporaryDirectory() as folder:
        probe = Path(folder) / "probe.jpg"
        Image.new("RGB", _PROBE_SIZE_PX).save(probe, exif=exif)
        try:
            camera = pycolmap.infer_camera_from_image(probe)
        except (ValueError, RuntimeError):
            return None
    if not camera.has_prior_focal_length:
        return None
    return float(camera.mean_focal_length()) / max(_PROBE_SIZE_PX)
