"""What is told of a part: who is not where its source says, which links hang by a thread, what nothing holds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geonav.data.map_store import MapPart
from geonav.geometry.geodesy import LocalFrame
from geonav.geometry.orientation import rotation_from_angles
from geonav.geometry.pose import camera_center, pose_from_center
from geonav.pipeline.mapping.report import PartReport, ViewReport
from geonav.pipeline.mapping.telling import part_report
from geonav.pipeline.mapping.views import MapView
from tests.pipeline.mapping.made_map import ORIGIN, made_part
from tests.pipeline.mapping.said import said

FRAME = LocalFrame(ORIGIN)
ENOUGH = 10  # points that two references share to hold each other


def spread(count: int = 6) -> MapPart:
    """References that do not stand on one line."""
    part = made_part([f"r{row:02}" for row in range(count)], 30)
    centers = [(9.0 * (row % 2), 4.0 * row, 2.0 + 3 * (row % 3)) for row in range(count)]
    poses = [pose_from_center(rotation_from_angles(30.0 * row, 3.0), center) for row, center in enumerate(centers)]
    return replace(part, poses=np.array(poses))


def sources(part: MapPart, **changes: Any) -> dict[str, MapView]:
    """Sources that are right."""
    found = {}
    for uid, pose in zip(part.uids, part.poses, strict=True):
        view = replace(said(uid, (0.0, 0.0)), position_m=camera_center(pose), rotation=pose[:3, :3])
        found[uid] = replace(view, **changes)
    return found


def told(part: MapPart, views: Mapping[str, MapView]) -> tuple[PartReport, dict[str, ViewReport]]:
    report = part_report("p", part, views, FRAME)
    json.dumps(report.model_dump(mode="json"), allow_nan=False)  # as it is stored
    return report, {view.uid: view for view in report.views}


def sharing(part: MapPart, links: Mapping[tuple[int, int], int]) -> MapPart:
    """The part with so many points that just two references see."""
    view = np.array([row for pair, count in links.items() for row in pair * count], np.int64)
    count = sum(links.values())
    point = np.repeat(np.arange(count), 2)
    return replace(
        part, points=np.zeros((count, 3)), view=view, point=point, keypoint=np.arange(len(view)),
        pixels=np.zeros((len(view), 2), np.float32), errors_px=np.ones(len(view), np.float32),
    )  # fmt: skip


def test_sources_that_are_right_are_not_suspect() -> None:
    part = spread()
    report, rows = told(part, sources(part))
    assert report.suspects == []
    assert report.median_moved_m == 0
    assert report.notes == []
    assert all(row.turned_deg == pytest.approx(0.0, abs=1e-6) for row in rows.values())
    for uid, pose in zip(part.uids, part.poses, strict=True):
        east, north, _ = FRAME.enu_from_geo(rows[uid].lat, rows[uid].lng, ORIGIN.alt_m + camera_center(pose)[2])
        np.testing.assert_allclose([east, north], camera_center(pose)[:2], atol=1e-3)
        turn = (rows[uid].azimuth - 30.0 * part.row_of[uid] + 180) % 360 - 180
        assert turn == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize(
    ("what", "shift", "turn"),
    [
        ("position", (30.0, -20.0, 0.0), (0.0, 0.0, 0.0)),
        ("heading", (0.0, 0.0, 0.0), (0.0, 0.0, 90.0)),
        ("tilt", (0.0, 0.0, 0.0), (20.0, 0.0, 0.0)),
    ],
)
def test_a_source_that_is_far_off_is_suspect_by_name(
    what: str, shift: tuple[float, ...], turn: tuple[float, float, float]
) -> None:
    part = spread()
    views = sources(part)
    wrong = views["r03"]
    looks = rotation_from_angles(30.0 * 3 + turn[2], 3.0 + turn[0])
    views["r03"] = replace(wrong, position_m=wrong.position_m + shift, rotation=looks)
    report, rows = told(part, views)
    assert [(view.uid, view.suspect) for view in report.suspects] == [("r03", what)]
    np.testing.assert_allclose(rows["r03"].moved_m, np.negative(shift), atol=1e-3)
    assert rows["r03"].turned_deg == pytest.approx(-turn[2], abs=0.01)
    assert rows["r03"].tilted_deg == pytest.approx(turn[0], abs=0.01)


def test_what_a_source_does_not_say_is_neither_told_nor_suspect() -> None:
    part = spread()
    views = sources(part, heading_std_deg=np.inf, position_std_m=np.array([1.0, 1.0, np.inf]))
    views = {
        uid: replace(v, position_m=v.position_m * [1, 1, np.nan], rotation=rotation_from_angles(0.0))
        for uid, v in views.items()
    }
    report, rows = told(part, views)
    assert report.suspects == []
    for row in rows.values():
        assert row.moved_m[2] is None
        assert None not in row.moved_m[:2]
        assert row.turned_deg is None
        assert row.heading_sigmas is None


def test_what_a_drive_is_off_in_common_makes_nobody_suspect() -> None:
    part, offset = spread(), np.array([7.0, -6.0, 0.5])
    drive = {"name": "d", "offset_m": offset.tolist(), "offset_std_m": [0.1, 0.1, 0.1]}
    off = {uid: replace(view, position_m=view.position_m - offset) for uid, view in sources(part).items()}
    of_drive = {uid: replace(view, sequence="d") for uid, view in off.items()}
    assert len(told(part, off)[0].suspects) == len(part.uids)
    report, _ = told(replace(part, facts={"drives": [drive]}), of_drive)
    assert report.suspects == []
    (sequence,) = report.sequences
    assert (sequence.name, sequence.num_views, sequence.offset_m) == ("d", len(part.uids), tuple(offset))


@pytest.mark.parametrize("zero", ["position_std_m", "heading_std_deg", "tilt_std_deg"])
def test_a_source_that_is_never_wrong_can_be_told_of(zero: str) -> None:
    part = spread()
    never = {"position_std_m": np.zeros(3), "heading_std_deg": 0.0, "tilt_std_deg": (0.0, 0.0)}
    told(part, sources(part, **{zero: never[zero]}))


def test_deviations_are_those_of_the_covariance() -> None:
    part = spread()
    scale = np.arange(1.0, 37.0)
    part = replace(part, covariance=np.diag(scale**2).astype(np.float32) * 1e-4, own_std=np.full((6, 2), 0.1))
    _, rows = told(part, sources(part))
    at = scale[6 * 2 : 6 * 3] * 0.01
    np.testing.assert_allclose(rows["r02"].position_std_m, np.sqrt(at[3:] ** 2 + 0.01), rtol=1e-4)
    assert rows["r02"].heading_std_deg == pytest.approx(np.degrees(np.sqrt(at[2] ** 2 + 0.01)), rel=1e-4)


def pieces_of(count: int, links: set[tuple[int, int]]) -> int:
    """How many pieces some nodes fall into, by brute force."""
    of = list(range(count))
    for _ in range(count):
        for a, b in links:
            of[a] = of[b] = min(of[a], of[b])
    return len(set(of))


@settings(max_examples=40, deadline=None)
@given(st.sets(st.sampled_from(sorted(combinations(range(6), 2)))), st.integers(0, 5))
def test_weak_links_are_those_without_which_the_part_falls_apart(links: set[tuple[int, int]], joined: int) -> None:
    part = sharing(spread(), dict.fromkeys(links, ENOUGH) or {(0, 1): 1})
    frames = np.arange(6)
    frames[joined] = frames[0]  # two are views of one panorama
    _, frames = np.unique(frames, return_inverse=True)
    part = replace(part, frames=frames)
    lifted = {pair: (int(frames[pair[0]]), int(frames[pair[1]])) for pair in links}
    count = int(frames.max()) + 1
    whole = pieces_of(count, set(lifted.values()))
    expected = {
        pair for pair in links if pieces_of(count, {other for own, other in lifted.items() if own != pair}) > whole
    }
    report, _ = told(part, sources(part))
    rows = part.row_of
    assert {(rows[weak.first], rows[weak.second]) for weak in report.weak_links} == expected
    assert all(weak.num_matches == ENOUGH for weak in report.weak_links)


def test_links_are_counted_where_they_hold() -> None:
    part = sharing(spread(), {(0, 1): 40, (0, 2): ENOUGH, (3, 4): ENOUGH - 1})
    _, rows = told(part, sources(part))
    assert [rows[uid].num_links for uid in part.uids] == [2, 1, 1, 0, 0, 0]
    assert [rows[uid].num_points for uid in part.uids] == [50, 40, 10, 9, 9, 0]


def test_references_on_one_line_are_noted() -> None:
    part = spread()
    line = np.array(
        [
            pose_from_center(p[:3, :3], (5.0 * row, 3.0 * row, 2.0 + 0.05 * (row % 2)))
            for row, p in enumerate(part.poses)
        ]
    )
    on_line = replace(part, poses=line, facts={"weak_tilt_deg": 1.7})
    (note,) = told(on_line, sources(on_line))[0].notes
    assert "one line" in note
    assert "1.7" in note
    assert told(part, sources(part))[0].notes == []


def test_a_part_whose_sources_know_no_gravity_is_noted_if_it_is_not_sure_itself() -> None:
    part = replace(spread(), facts={"weak_tilt_deg": 2.6})
    (note,) = told(part, sources(part, tilt_std_deg=(15.0, 4.0)))[0].notes
    assert "2.6" in note
    assert told(part, sources(part, tilt_std_deg=(1.0, 1.0)))[0].notes == []
    sure = replace(part, facts={"weak_tilt_deg": 0.2})
    assert told(sure, sources(sure, tilt_std_deg=(15.0, 4.0)))[0].notes == []
