"""Make databases of references and queries from a city of Mapillary Street-level Sequences.

python examples/msls.py MSLS runs/cph --city cph
geonav index global --database runs/cph/references
geonav evaluate --query-set runs/cph/queries --reference-set runs/cph/references --retrieval-only

ROOT is laid out as published: train_val/CITY/{database,query}/raw.csv (key, lon, lat, ca, captured_at, pano) with the
photos in images/KEY.jpg. Panoramas are left out, as the benchmark does. The compass angle is kept as heading.
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

import geonav
from geonav.errors import GeonavError, InputError

ROLES = {"references": "database", "queries": "query"}


def read_raw(folder: Path) -> list[geonav.ListedImage]:
    """The photos of one folder, panoramas left out."""
    path, images = folder / "raw.csv", []
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            for number, row in enumerate(csv.DictReader(stream), 2):
                try:
                    place = float(row["lat"]), float(row["lon"]), None
                    heading = float(row["ca"]) % 360.0 if row["ca"] else None
                    is_pano = {"True": True, "False": False}[row["pano"]]
                except (KeyError, ValueError, TypeError) as error:
                    msg = f"{path}, line {number}: not key, lon, lat, ca, captured_at, pano ({error})"
                    raise InputError(msg) from error
                if not is_pano:
                    name = f"{row['key']}.jpg"
                    images.append(geonav.ListedImage(name, folder / "images" / name, place=place, heading_deg=heading))
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror}"
        raise InputError(msg) from error
    return images


def main() -> None:
    """Import both sets; what is there already is left alone."""
    parser = argparse.ArgumentParser(
        description="Make databases of references and queries from a city of Mapillary Street-level Sequences."
    )
    parser.add_argument("root", type=Path, help="folder of the dataset")
    parser.add_argument("output", type=Path, help="folder for the databases")
    parser.add_argument("--city", default="cph", help="a city of train_val [default: cph]")
    options = parser.parse_args()

    source = geonav.ListImport(position_std_m=5.0, heading_std_deg=15.0, provider="msls")
    for role, name in ROLES.items():
        images = read_raw(options.root / "train_val" / options.city / name)
        imported = geonav.import_list(options.output / role, images, source)
        print(f"{role}: {len(imported.added)} imported, {len(imported.failed)} failed")


if __name__ == "__main__":
    try:
        main()
    except GeonavError as error:
        sys.exit(f"error: {error}")
