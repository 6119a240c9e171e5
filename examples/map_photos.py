"""Map a folder of photos that know their GPS position alone, and say what became of each.

python examples/map_photos.py street --photos photos
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import geonav
from geonav.errors import GeonavError


def main() -> None:
    """Import, match the photos among themselves, and lay what they show over their positions."""
    parser = argparse.ArgumentParser(description="Map a folder of photos that know their GPS position alone.")
    parser.add_argument("database", type=Path)
    parser.add_argument("--photos", type=Path, required=True, help="folder of the photos")
    options = parser.parse_args()

    geonav.import_folder(options.database, options.photos, geonav.FolderImport())
    report = geonav.build_map(geonav.Database.open(options.database), geonav.load_config())
    for part in report.parts:
        print(f"{part.num_views} photos, {part.num_points} points", *part.notes, sep="; ")
        for view in part.views:
            print(f"{view.uid}: {view.lat:.7f} {view.lng:.7f}, heading {view.azimuth:.1f}", view.suspect or "")
    for uid, reason in report.alone:
        print(f"{uid}: {reason}")


if __name__ == "__main__":
    try:
        main()
    except GeonavError as error:
        sys.exit(f"error: {error}")
