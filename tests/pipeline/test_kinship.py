"""Whom a database learns from: all of a small one, neighbours together of a large one."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from geonav.data.database import Database
from geonav.data.metadata import ImageMetadata
from geonav.data.places import Places
from geonav.geometry.geodesy import GeoPoint, moved
from geonav.pipeline.kinship import sample
from tests.data.photos import jpeg

STEP_M = 8.0


def street(folder: Path, count: int) -> Places:
    """Places in a row, each with a view to the north and one to the south; the last entry's place is not known."""
    database, photo = Database.create(folder / "db", GeoPoint(48.9, 8.4)), jpeg()
    for place in range(count):
        lat, lng = (float(value) for value in moved(48.9, 8.4, 90.0, place * STEP_M))
        for azimuth in (0.0, 180.0):
            metadata = ImageMetadata(w=96, h=64, K=None, lat=lat, lng=lng, azn=azimuth)
            database.add_entry(f"p{place:02d}-{azimuth:03.0f}", photo, metadata)
    database.add_entry("z", photo, ImageMetadata(w=96, h=64, K=None, lat=None, lng=None, azn=None))
    return Places.of(database)


def test_neighbours_that_look_the_same_way_are_kin(tmp_path: Path) -> None:
    places = street(tmp_path, 6)
    chosen = sample(places, places.uids, 1000)
    assert chosen.uids == places.uids
    named = {(chosen.uids[a], chosen.uids[b]) for a, b in zip(chosen.kin.first, chosen.kin.second, strict=True)}
    assert len(named) == len(chosen.kin)
    sides = [f"p{place:02d}-{side}" for place in range(6) for side in ("000", "180")]
    # 16 m apart still shows the same, 24 m does not.
    wanted = {(a, b) for a in sides for b in sides if a < b and a[3:] == b[3:] and int(b[1:3]) - int(a[1:3]) <= 2}
    assert named == wanted


def test_a_sample_keeps_neighbours_together(tmp_path: Path) -> None:
    places = street(tmp_path, 40)
    chosen = sample(places, places.uids[:-1], 24)
    assert 6 <= len(chosen.uids) <= 24
    assert len(set(chosen.uids)) == len(chosen.uids)
    related = np.unique(np.concatenate([chosen.kin.first, chosen.kin.second]))
    assert len(related) >= 0.9 * len(chosen.uids)
