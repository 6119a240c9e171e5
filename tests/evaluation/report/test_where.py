"""Where references stand: few dots for many of them, the nearest one, nothing where nothing is known."""

from __future__ import annotations

import numpy as np
import pytest

from geonav.evaluation.record import RetrievedReference
from geonav.evaluation.report.where import Where
from geonav.geometry.geodesy import GeoPoint, LocalFrame

ORIGIN = GeoPoint(48.94, 8.41, 130.0)


def recorded(east: np.ndarray, north: np.ndarray) -> list[RetrievedReference]:
    lat, lng, _ = LocalFrame(ORIGIN).geo_from_enu(np.column_stack([east, north, 0 * east]))
    return [
        RetrievedReference(uid=f"r{i}", similarity=0.5, lat=float(lat[i]), lng=float(lng[i])) for i in range(len(east))
    ]


def test_many_references_make_few_dots_in_the_same_place() -> None:
    east, north = np.random.default_rng(0).uniform(-500, 500, (2, 20_000))
    spots = np.array(Where.of(None, recorded(east, north), ORIGIN).spots())
    assert 1000 < len(spots) <= 6000
    for edge in (spots.min(0), spots.max(0)):
        assert np.abs(edge) == pytest.approx(500, abs=15)


def test_distances_and_the_nearest_are_along_the_ground() -> None:
    where = Where.of(None, recorded(np.array([0.0, 30.0]), np.array([0.0, 40.0])), ORIGIN)
    assert where.away_m("r1", ORIGIN) == pytest.approx(50.0, abs=0.05)
    assert where.in_plan("r1") == pytest.approx([30.0, 40.0], abs=0.01)
    lat, lng, _ = (float(value) for value in LocalFrame(ORIGIN).geo_from_enu(np.array([20.0, 30.0, 0.0])))
    assert where.nearest(GeoPoint(lat, lng)) == "r1"


def test_what_is_not_known_is_left_out() -> None:
    where = Where.of(None, [RetrievedReference(uid="r", similarity=0.5)], None)
    assert (where.away_m("r", ORIGIN), where.in_plan("r"), where.nearest(ORIGIN), where.spots()) == (
        None,
        None,
        None,
        [],
    )
    assert Where.of(None, [], ORIGIN).spots() == []
