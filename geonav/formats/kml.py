"""Results as KML 2.2 for Google Earth: a point, a look through the camera, and the 95 % ellipse.

KML's camera looks straight down at tilt 0 and level at tilt 90, so tilt is 90 plus the pitch. KML's roll turns the
camera the other way from geonav's: positive is counter-clockwise seen from behind. Elements stand in the order that the
schema asks for (OGC 07-147r2). ``absolute`` heights are above the EGM96 sea level; a height in another datum is not
converted: the point then lies on the ground, and its height and datum are in its data.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np

from geonav.data.files import atomic_write_bytes
from geonav.data.results import LocalizationResult
from geonav.geometry.geodesy import moved

NAMESPACE = "http://www.opengis.net/kml/2.2"
_SEA_LEVEL = {"egm96", "egm2008"}  # half a metre apart at most; viewers use EGM96
_ELLIPSE_CORNERS = 48
_EYE_HEIGHT_M = 2.0  # of a view whose height above the sea is not known
_DATA = ("status", "alt", "alt_datum", "azimuth", "pitch", "roll", "azimuth_std_deg", "num_inliers")
# What XML 1.0 cannot hold, even escaped.
_UNWRITABLE = dict.fromkeys(
    (*range(9), 11, 12, *range(14, 32), *range(0xD800, 0xE000), 0xFFFE, 0xFFFF), "\N{REPLACEMENT CHARACTER}"
)


def write_kml(path: Path | str, results: Iterable[LocalizationResult], title: str = "geonav") -> int:
    """Write one Placemark a located result, with its view and its ellipse, and give how many.

    Raises:
        StorageError: the file cannot be written.
    """
    root = ET.Element("kml", xmlns=NAMESPACE)
    document = ET.SubElement(root, "Document")
    _text(document, "name", title)
    style = ET.SubElement(document, "Style", id="ellipse")
    _text(ET.SubElement(style, "LineStyle"), "color", "ff3333ff")
    _text(ET.SubElement(style, "PolyStyle"), "color", "403333ff")
    located = [result for result in results if result.lat is not None and result.lng is not None]
    for result in located:
        _folder(document, result)
    ET.indent(root)
    text = ET.tostring(root, encoding="unicode")
    atomic_write_bytes(Path(path), f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'.encode())
    return len(located)


def _folder(document: ET.Element, result: LocalizationResult) -> None:
    folder = ET.SubElement(document, "Folder")
    _text(folder, "name", Path(result.query).name)
    placemark = ET.SubElement(folder, "Placemark")
    _text(placemark, "name", Path(result.query).name)
    _text(placemark, "description", _description(result))
    _camera(placemark, result)
    _extended(placemark, result)
    point = ET.SubElement(placemark, "Point")
    absolute = result.alt is not None and result.alt_datum in _SEA_LEVEL
    _text(point, "altitudeMode", "absolute" if absolute else "clampToGround")
    place = f"{result.lng!r},{result.lat!r}"
    _text(point, "coordinates", f"{place},{result.alt!r}" if absolute else place)
    if result.ellipse_95 is not None:
        _ellipse(folder, result)


def _camera(placemark: ET.Element, result: LocalizationResult) -> None:
    absolute = result.alt is not None and result.alt_datum in _SEA_LEVEL
    camera = ET.SubElement(placemark, "Camera")
    _text(camera, "longitude", repr(result.lng))
    _text(camera, "latitude", repr(result.lat))
    _text(camera, "altitude", repr(result.alt if absolute else _EYE_HEIGHT_M))
    _text(camera, "heading", repr(result.azimuth))
    _text(camera, "tilt", repr(90.0 + (result.pitch or 0.0)))
    _text(camera, "roll", repr(-(result.roll or 0.0)))
    _text(camera, "altitudeMode", "absolute" if absolute else "relativeToGround")


def _description(result: LocalizationResult) -> str:
    ellipse = result.ellipse_95
    within = f", within {ellipse.semi_major_m:.2f} m (95 %)" if ellipse else ""
    return f"{result.lat:.7f}, {result.lng:.7f}{within}; looks to {result.azimuth:.1f} degrees from true north"


def _extended(placemark: ET.Element, result: LocalizationResult) -> None:
    data = ET.SubElement(placemark, "ExtendedData")
    for name in ("query", *_DATA):
        value = getattr(result, name)
        if value is not None:
            _text(ET.SubElement(data, "Data", name=name), "value", str(value))


def _ellipse(folder: ET.Element, result: LocalizationResult) -> None:
    ellipse = result.ellipse_95
    if ellipse is None or result.lat is None or result.lng is None:
        return
    turn = np.linspace(0, 2 * np.pi, _ELLIPSE_CORNERS + 1)[:-1]
    along, across = ellipse.semi_major_m * np.cos(turn), ellipse.semi_minor_m * np.sin(turn)
    # Counter-clockwise from above, as a KML outer boundary runs: azimuths fall.
    azimuth = ellipse.azimuth_deg - np.degrees(np.arctan2(across, along))
    lat, lng = moved(result.lat, result.lng, azimuth, np.hypot(along, across))
    corners = [f"{x!r},{y!r}" for x, y in zip(lng.tolist(), lat.tolist(), strict=True)]
    placemark = ET.SubElement(folder, "Placemark")
    _text(placemark, "name", "95 % ellipse")
    _text(placemark, "styleUrl", "#ellipse")
    ring = ET.SubElement(ET.SubElement(ET.SubElement(placemark, "Polygon"), "outerBoundaryIs"), "LinearRing")
    _text(ring, "coordinates", " ".join([*corners, corners[0]]))


def _text(parent: ET.Element, name: str, text: str) -> None:
    ET.SubElement(parent, name).text = text.translate(_UNWRITABLE)
