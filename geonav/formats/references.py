"""Where a photo's camera stands, as COLMAP's ``model_aligner`` reads it for geo-registration."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from geonav.data.files import atomic_write_bytes
from geonav.geometry.geodesy import GeoPoint


def write_positions(path: Path | str, positions: Iterable[tuple[str, GeoPoint]]) -> None:
    """Write ``name latitude longitude height`` lines (``--ref_is_gps 1``).

    Raises:
        StorageError: the file cannot be written.
    """
    lines = (f"{name} {place.lat_deg!r} {place.lng_deg!r} {place.alt_m!r}\n" for name, place in positions)
    atomic_write_bytes(Path(path), "".join(lines).encode())
