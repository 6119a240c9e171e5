"""Make a database from a COLMAP model and index it, ready for locate_a_photo.py.

python examples/build_database.py castle --model colmap --images images --origin 48.9407 8.4090 130
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import geonav
from geonav.errors import GeonavError


def main() -> None:
    """Import, then compute what searching and matching need; run again to go on after an interruption."""
    parser = argparse.ArgumentParser(description="Make a database from a COLMAP model and index it.")
    parser.add_argument("database", type=Path)
    parser.add_argument("--model", type=Path, required=True, help="folder of the COLMAP model")
    parser.add_argument("--images", type=Path, required=True, help="folder of its photos")
    parser.add_argument("--origin", type=float, nargs=3, required=True, metavar=("LAT", "LNG", "ALT"))
    options = parser.parse_args()

    source = geonav.ColmapImport(images=options.images, origin=geonav.GeoPoint(*options.origin))
    imported = geonav.import_colmap(options.database, options.model, source)
    print(f"{len(imported.added)} photos imported, {len(imported.failed)} failed")

    indexed = geonav.index_global(geonav.Database.open(options.database), geonav.load_config())
    print(f"{indexed.computed} photos indexed, {indexed.reused} were there already")


if __name__ == "__main__":
    try:
        main()
    except GeonavError as error:
        sys.exit(f"error: {error}")
