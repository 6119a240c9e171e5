"""``.geonav/database.json``: where the local frame lies and which layout the folder has."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from geonav.data.files import atomic_write_json, read_json_object
from geonav.data.half_pulled import refuse_half_pulled
from geonav.data.metadata import ALT_DATUMS
from geonav.errors import DatabaseError
from geonav.geometry.geodesy import GeoPoint

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class DatabaseSettings:
    """What holds for the whole database.

    Attributes:
        origin: where the local East-North-Up frame touches the Earth, or None.
        alt_datum: what every height refers to.
        schema_version: of the layout.
    """

    origin: GeoPoint | None = None
    alt_datum: str = "wgs84"
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            DatabaseError: another schema, an unknown datum or an origin that is no place on Earth.
        """
        if self.schema_version != SCHEMA_VERSION:
            msg = f"schema version {self.schema_version!r} is not {SCHEMA_VERSION}, which this geonav reads: update it"
            raise DatabaseError(msg)
        if self.alt_datum not in ALT_DATUMS:
            msg = f"alt_datum {self.alt_datum!r} is not one of {', '.join(ALT_DATUMS)}"
            raise DatabaseError(msg)
        if self.origin is None:
            return
        values = (self.origin.lat_deg, self.origin.lng_deg, self.origin.alt_m)
        if not (np.isfinite(values).all() and abs(values[0]) <= 90 and abs(values[1]) <= 180 and abs(values[2]) < 1e5):
            msg = f"origin {values} is no place on Earth: give latitude, longitude and height"
            raise DatabaseError(msg)

    @classmethod
    def of(cls, own: Path) -> DatabaseSettings | None:
        """Those in the folder ``.geonav``; None where geonav's settings are not there.

        Raises:
            DatabaseError: they are broken or of a newer geonav, or a pull into the database was not finished.
        """
        refuse_half_pulled(own)
        path = own / "database.json"
        return cls.read(path) if path.exists() else None

    @classmethod
    def read(cls, path: Path) -> DatabaseSettings:
        """Read ``database.json``.

        Raises:
            DatabaseError: missing, broken, or of a newer geonav.
        """
        data = read_json_object(path)
        try:
            place = data.get("origin")
            origin = None if place is None else GeoPoint(*(float(place[key]) for key in ("lat", "lng", "alt")))
            return cls(origin, data.get("alt_datum", ""), data.get("schema_version", 0))
        except DatabaseError as error:
            msg = f"{path}: {error}"
            raise DatabaseError(msg) from error
        except (KeyError, TypeError, ValueError) as error:
            msg = f"{path}: origin needs the numbers lat, lng and alt"
            raise DatabaseError(msg) from error

    def write(self, path: Path) -> None:
        """Write ``database.json``.

        Raises:
            StorageError: the disk is full, read-only or not permitted.
        """
        place = None
        if self.origin is not None:
            place = {"lat": self.origin.lat_deg, "lng": self.origin.lng_deg, "alt": self.origin.alt_m}
        data = {"schema_version": self.schema_version, "origin": place, "alt_datum": self.alt_datum}
        atomic_write_json(path, data)
