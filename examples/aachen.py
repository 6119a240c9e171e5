"""Locate the queries of Aachen Day-Night v1.1 and write the poses that its benchmark takes.

python examples/aachen.py aachen_v1.1 runs/aachen

ROOT is laid out as published: 3D-models/aachen_v_1_1 (COLMAP), images_upright/{db,query,sequences} and
queries/{day,night}_time_queries_with_intrinsics.txt. The model's world has metres but no place on Earth: it is taken
for East-North-Up at 0, 0, so that the poses written are in the model's own frame while latitude, longitude and azimuth
mean nothing.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import geonav
from geonav.errors import GeonavError, InputError

LISTS = "*_time_queries_with_intrinsics.txt"


def main() -> None:
    """Import, index, locate; run again to go on after an interruption."""
    parser = argparse.ArgumentParser(
        description="Locate the queries of Aachen Day-Night v1.1 and write the poses that its benchmark takes."
    )
    parser.add_argument("root", type=Path, help="folder of the dataset")
    parser.add_argument("output", type=Path, help="folder for the database and the poses")
    parser.add_argument("--prepare", action="store_true", help="only make the database and read the query lists")
    options = parser.parse_args()

    images = options.root / "images_upright"
    source = geonav.ColmapImport(images=images, origin=geonav.GeoPoint(0.0, 0.0, 0.0), alt_datum="local")
    database = options.output / "references"
    imported = geonav.import_colmap(database, options.root / "3D-models" / "aachen_v_1_1", source)
    print(f"{len(imported.added)} references imported, {len(imported.failed)} failed")

    lists = sorted((options.root / "queries").glob(LISTS))
    if not lists:
        msg = f"{options.root / 'queries'} holds no {LISTS}: unpack the dataset there"
        raise InputError(msg)
    queries = {name: camera for path in lists for name, camera in geonav.read_query_list(path).items()}
    print(f"{len(queries)} queries in {len(lists)} lists")
    if options.prepare:
        return

    references, config = geonav.Database.open(database), geonav.load_config()
    geonav.index_global(references, config)
    localizer = geonav.Localizer(references, config)
    results = [localizer.locate(images / name, camera=camera) for name, camera in queries.items()]
    poses = geonav.located_poses(results)
    geonav.write_ltvl(options.output / "Aachen_v1_1_eval_geonav.txt", poses)
    print(f"{len(poses)} of {len(results)} queries located")


if __name__ == "__main__":
    try:
        main()
    except GeonavError as error:
        sys.exit(f"error: {error}")
