"""kapture 1.0 and 1.1, the sensors part: images with camera, pose and GNSS position.

``trajectories`` holds device_from_world as COLMAP does, of sensors or of rigs; a rig's sensors follow by ``rigs``,
which may nest. Values stand between commas. https://github.com/naver/kapture/blob/main/kapture_format.adoc
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geonav.errors import InputError
from geonav.formats.lines import broken, numbered_lines
from geonav.formats.quaternions import pose_from_numbers
from geonav.geometry.camera import Camera
from geonav.geometry.geodesy import GeoPoint

Array = NDArray[np.float64]
_VERSIONS = ("1.0", "1.1")
_WGS84 = {"", "EPSG:4326"}
_MAX_NESTING = 8


@dataclass(frozen=True)
class KaptureImage:
    """An image of a kapture.

    Attributes:
        name: relative to ``sensors/records_data``.
        path: the file.
        size: width and height in pixels.
        camera: None where its model is UNKNOWN_CAMERA.
        pose: camera_from_world (4, 4), or None where there is none or only a part of it.
        place: where GNSS saw it at the same timestamp, or None; the height's datum is not known to kapture.
    """

    name: str
    path: Path
    size: tuple[int, int]
    camera: Camera | None
    pose: Array | None
    place: GeoPoint | None


def read_kapture(folder: Path | str) -> list[KaptureImage]:
    """The images of a kapture, sorted by name.

    Raises:
        InputError: a file is missing or broken, or of another version; the message names file and line.
    """
    sensors_folder = Path(folder) / "sensors"
    if not (sensors_folder / "sensors.txt").is_file():
        msg = f"there is no kapture at {folder}: name the folder that holds sensors/sensors.txt"
        raise InputError(msg)
    _check_version(sensors_folder / "sensors.txt")
    cameras, gnss = _sensors(sensors_folder / "sensors.txt")
    rigs = _rigs(sensors_folder / "rigs.txt")
    poses = _trajectories(sensors_folder / "trajectories.txt")
    places = _gnss(sensors_folder / "records_gnss.txt", gnss)
    images = {}
    path = sensors_folder / "records_camera.txt"
    for number, (timestamp, device, name) in _rows(path, 3, required=True):
        if device not in cameras:
            raise broken(path, number, f"device '{device}' is no camera of sensors.txt: add it there")
        if name in images:
            raise broken(path, number, f"image '{name}' is there twice: remove one")
        size, camera = cameras[device]
        pose = _pose_of((timestamp, device), poses, rigs)
        file = sensors_folder / "records_data" / name
        images[name] = KaptureImage(name, file, size, camera, pose, places.get(timestamp))
    return [images[name] for name in sorted(images)]


def _check_version(path: Path) -> None:
    try:
        with path.open(encoding="utf-8", errors="replace") as stream:
            line = stream.readline()
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror or error}"
        raise InputError(msg) from error
    found = re.fullmatch(r"#\s*kapture format:\s*(\S+)", line.strip())
    if not found or found[1] not in _VERSIONS:
        said = found[1] if found else "none"
        msg = f"{path}, line 1: kapture format {said}, but {' and '.join(_VERSIONS)} are read: upgrade the kapture"
        raise InputError(msg)


def _rows(path: Path, least: int, *, required: bool = False) -> Iterator[tuple[int, list[str]]]:
    """Number and values of each line, which has at least so many; a file that is not required may be missing."""
    if not required and not path.exists():
        return
    for number, line in numbered_lines(path, "kapture file"):
        values = [value.strip() for value in line.split(",")]
        if len(values) < least:
            raise broken(path, number, f"{len(values)} values instead of {least}: correct or remove it")
        yield number, values


def _sensors(path: Path) -> tuple[dict[str, tuple[tuple[int, int], Camera | None]], set[str]]:
    """Size and camera of each camera, and the GNSS receivers whose coordinates are WGS84."""
    cameras: dict[str, tuple[tuple[int, int], Camera | None]] = {}
    gnss = set()
    for number, (device, _, kind, *params) in _rows(path, 3, required=True):
        if kind == "gnss" and (params or [""])[0].upper() in _WGS84:
            gnss.add(device)
        if kind != "camera":
            continue
        try:
            model, width, height, *values = params
            size = round(float(width)), round(float(height))
            known = model != "UNKNOWN_CAMERA"
            camera = Camera(model, *size, tuple(float(value) for value in values)) if known else None
        except (ValueError, InputError) as error:
            reason = f" ({error})" if isinstance(error, InputError) else ""
            raise broken(
                path, number, f"camera '{device}' is not MODEL, w, h, params...{reason}: correct it"
            ) from error
        cameras[device] = size, camera
    return cameras, gnss


def _rigs(path: Path) -> dict[str, tuple[str, Array]]:
    """For each sensor the rig it belongs to and sensor_from_rig (4, 4)."""
    rigs = {}
    for number, (rig, sensor, *values) in _rows(path, 9):
        pose = _pose(path, number, values)
        if pose is None:
            raise broken(path, number, f"sensor '{sensor}' has no whole pose in its rig: complete it")
        rigs[sensor] = rig, pose
    return rigs


def _trajectories(path: Path) -> dict[tuple[str, str], Array | None]:
    return {(timestamp, device): _pose(path, number, values) for number, (timestamp, device, *values) in _rows(path, 9)}


def _pose(path: Path, number: int, values: list[str]) -> Array | None:
    """The pose of a line; None where kapture leaves values empty for what is not known."""
    if "" in values[:7]:
        return None
    try:
        return pose_from_numbers([float(value) for value in values[:7]])
    except ValueError as error:
        raise broken(path, number, f"not a pose qw, qx, qy, qz, tx, ty, tz ({error}): correct or remove it") from error


def _pose_of(
    record: tuple[str, str], poses: dict[tuple[str, str], Array | None], rigs: dict[str, tuple[str, Array]]
) -> Array | None:
    """camera_from_world of a record, through its rig where only that has a pose."""
    timestamp, device = record
    sensor_from_device: Array = np.eye(4)
    for _ in range(_MAX_NESTING):
        device_from_world = poses.get((timestamp, device))
        if device_from_world is not None:
            return sensor_from_device @ device_from_world
        if device not in rigs:
            return None
        device, device_from_rig = rigs[device]
        sensor_from_device = sensor_from_device @ device_from_rig
    return None


def _gnss(path: Path, receivers: set[str]) -> dict[str, GeoPoint]:
    """Positions by timestamp; receivers of other coordinate systems are passed over."""
    places = {}
    for number, (timestamp, device, x, y, z, *_) in _rows(path, 5):
        if device not in receivers:
            continue
        try:
            place = GeoPoint(float(y), float(x), float(z))
        except ValueError as error:
            raise broken(path, number, "not timestamp, device, x, y, z, utc, dop: correct or remove it") from error
        if not (abs(place.lat_deg) <= 90 and abs(place.lng_deg) <= 180):
            swapped = abs(place.lng_deg) <= 90 and abs(place.lat_deg) <= 180
            hint = "latitude and longitude are swapped, x is the longitude" if swapped else "no such place"
            raise broken(path, number, f"x {x}, y {y}: {hint}")
        places[timestamp] = place
    return places
