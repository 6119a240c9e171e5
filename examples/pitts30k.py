"""Make databases of references and queries from Pitts30k.

python examples/pitts30k.py pitts30k runs/pitts --split test
geonav index global --database runs/pitts/references
geonav evaluate --query-set runs/pitts/queries --reference-set runs/pitts/references --retrieval-only

ROOT is laid out in one of the two ways the dataset is passed on: as published by the authors of NetVLAD, with
datasets/pitts30k_SPLIT.mat, the references in 000, 001, ... and the queries in queries_real (reading .mat files needs
scipy); or as VPR-datasets-downloader unpacks it, images/SPLIT/{database,queries}/@east@north@...@.jpg.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import geonav
from geonav.errors import GeonavError, InputError
from geonav.formats.vpr import UtmZone

PITTSBURGH = UtmZone.parse("17T")
ROLES = {"references": "database", "queries": "queries"}


def from_struct(root: Path, path: Path) -> dict[str, list[geonav.ListedImage]]:
    """What NetVLAD's dbStruct lists: image names and UTM coordinates of references and queries."""
    try:
        from scipy.io import loadmat
        from scipy.io.matlab import MatReadError
    except ImportError:
        msg = f"{path} needs scipy to be read: pip install scipy"
        raise InputError(msg) from None
    try:
        struct = loadmat(path)["dbStruct"][0, 0]
        sets = {
            "references": (root, struct["dbImageFns"], struct["utmDb"]),
            "queries": (root / "queries_real", struct["qImageFns"], struct["utmQ"]),
        }
    except (MatReadError, ValueError, KeyError, IndexError, NotImplementedError) as error:
        msg = f"{path} does not hold the dbStruct of Pitts30k ({error})"
        raise InputError(msg) from error
    images: dict[str, list[geonav.ListedImage]] = {}
    for role, (folder, names, coordinates) in sets.items():
        images[role] = []
        for cell, (east, north) in zip(names.ravel(), coordinates.T, strict=True):
            name = str(cell[0])
            place = PITTSBURGH.place(float(east), float(north))
            if place is None:
                msg = f"{path}: {name} has no place at {east}, {north}"
                raise InputError(msg)
            images[role].append(geonav.ListedImage(name, folder / name, place=(*place, None)))
    return images


def main() -> None:
    """Import both sets; what is there already is left alone."""
    parser = argparse.ArgumentParser(description="Make databases of references and queries from Pitts30k.")
    parser.add_argument("root", type=Path, help="folder of the dataset")
    parser.add_argument("output", type=Path, help="folder for the databases")
    parser.add_argument("--split", choices=["train", "val", "test"], default="test")
    options = parser.parse_args()

    struct = options.root / "datasets" / f"pitts30k_{options.split}.mat"
    tree = options.root / "images" / options.split
    if not struct.is_file() and not tree.is_dir():
        msg = f"{options.root} holds neither {struct.relative_to(options.root)} nor images/{options.split}"
        raise InputError(msg)
    images = from_struct(options.root, struct) if struct.is_file() else {}
    for role, folder in ROLES.items():
        database = options.output / role
        if images:
            source = geonav.ListImport(position_std_m=5.0, provider="pitts30k")
            imported = geonav.import_list(database, images[role], source)
        else:
            imported = geonav.import_vpr(database, tree / folder, geonav.VprImport(zone="17T"))
        print(f"{role}: {len(imported.added)} imported, {len(imported.failed)} failed")


if __name__ == "__main__":
    try:
        main()
    except GeonavError as error:
        sys.exit(f"error: {error}")
