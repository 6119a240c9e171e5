"""Locate one photo against an indexed database.

python examples/locate_a_photo.py photo.jpg --database castle
python examples/locate_a_photo.py photo.jpg --database castle --camera PINHOLE,1536,1024,1380,1380,768,512
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import geonav
from geonav.errors import GeonavError


def main() -> None:
    """Open the database once, then ask it."""
    parser = argparse.ArgumentParser(description="Locate one photo against an indexed database.")
    parser.add_argument("photo", type=Path)
    parser.add_argument("--database", type=Path, required=True)
    parser.add_argument("--camera", help="the photo's calibration, if known: MODEL,w,h,params as COLMAP writes it")
    options = parser.parse_args()

    database = geonav.Database.open(options.database)
    localizer = geonav.Localizer(database, geonav.load_config())
    camera = geonav.Camera.parse(options.camera) if options.camera else None
    result = localizer.locate(options.photo, camera=camera)

    if result.status != "located":
        print(f"{options.photo}: {result.status}, {result.reason}")
        return
    print(f"{options.photo}: {result.lat:.7f} {result.lng:.7f}, {result.alt:.2f} m ({result.alt_datum})")
    print(f"looks {result.azimuth:.1f} degrees from north, {result.pitch:+.1f} up")
    print(f"95 % sure to within {result.ellipse_95.semi_major_m:.3f} m")


if __name__ == "__main__":
    try:
        main()
    except GeonavError as error:
        sys.exit(f"error: {error}")
