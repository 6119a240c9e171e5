"""New references join a part by its points, and those that are gone leave it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geonav.data.map_store import MapPart
from geonav.geometry.camera import Camera
from geonav.geometry.pose import camera_center, pose_from_center, rotation_error_deg
from geonav.pipeline.mapping.adding import Placed, extended, place, solved_cameras, without_gone
from geonav.pipeline.mapping.solving import PartInput
from geonav.pipeline.mapping.views import MapView
from tests.pipeline.mapping.painted import CAMERA, NOISE_PX, PaintedStreet, Reference, along_street, trust
from tests.pipeline.mapping.painted_part import features_of, part_input, solved, stored, view_of

GUESS = Camera.from_focal(CAMERA.width, CAMERA.height, 1.2 * CAMERA.focal_px)
STREET = PaintedStreet()
# Sources right to centimetres: where the part lies is then known, and only what is added can be wrong.
REFERENCES = along_street(STREET, 7, sigma_m=0.02, sigma_deg=0.05)


def lost(uid: str, along_m: float, azimuth_deg: float, aside_m: float) -> Reference:
    """One whose source is off by metres, and says so."""
    pose = STREET.pose(along_m, azimuth_deg, aside_m)
    said = pose_from_center(pose[:3, :3], camera_center(pose) + np.array([6.0, -4.0, 1.0]))
    return Reference(uid, pose, said, trust(10.0, 5.0))


NEW = lost("new", 14.0, 50.0, 0.5)
# They see the side that all others have behind them, too.
FAR = [lost("far0", 20.0, 90.0, -2.0), lost("far1", 22.0, 95.0, 3.0)]


class Made:
    """The part of the references, and what was found of these and of others.

    No dataclass, of which hypothesis prints all fields where a test fails.
    """

    def __init__(self, part: MapPart, whole: PartInput, views: dict[str, MapView]) -> None:
        self.part, self.whole, self.views = part, whole, views

    def input(self, uids: Iterable[str]) -> PartInput:
        """With all links of the others that these have."""
        chosen = set(uids)
        links = {pair: pairs for pair, pairs in self.whole.links.items() if not chosen.isdisjoint(pair)}
        return replace(self.whole, links=links)

    def place(self, uid: str) -> Placed:
        found = place(self.part, self.views[uid], self.input([uid]), {})
        assert found is not None
        return found

    def extended(self, uids: list[str]) -> MapPart:
        everyone = [*self.part.uids, *uids]
        views = [self.views[uid] for uid in everyone]
        links = {pair: pairs for pair, pairs in self.input(uids).links.items() if set(everyone).issuperset(pair)}
        found = extended(self.part, [self.place(uid) for uid in uids], replace(self.whole, views=views, links=links))
        assert found is not None
        return stored(found)


@pytest.fixture(scope="module")
def made() -> Made:
    references = [*REFERENCES, NEW, *FAR]
    views = {reference.uid: view_of(reference) for reference in references}
    whole = part_input(list(views.values()), features_of(STREET, references))
    own = [view for uid, view in views.items() if uid.startswith("r")]
    return Made(solved(replace(whole, views=own)), whole, views)


def errors_m(part: MapPart, references: Iterable[Reference]) -> list[float]:
    centers = [camera_center(part.poses[part.row_of[each.uid]]) - camera_center(each.true_pose) for each in references]
    return [float(np.linalg.norm(off)) for off in centers]


def test_points_place_a_reference_whatever_its_source_says(made: Made) -> None:
    found = made.place("new")
    assert found.view is made.views["new"]
    assert np.linalg.norm(camera_center(found.pose) - camera_center(NEW.true_pose)) < 0.1
    assert rotation_error_deg(found.pose[:3, :3], NEW.true_pose[:3, :3]) < 0.3
    assert len(set(found.keypoint.tolist())) == len(set(found.point.tolist())) == len(found.point) > 100
    inside = made.part.points[found.point] @ found.pose[:3, :3].T + found.pose[:3, 3]
    off = found.camera.pixels_from_points(inside) - made.whole.keypoints["new"][found.keypoint]
    assert np.median(np.linalg.norm(off, axis=1)) < 3 * NOISE_PX


def test_it_does_not_matter_which_of_a_link_is_new(made: Made) -> None:
    links = {(second, first): pairs[:, ::-1] for (first, second), pairs in made.input(["new"]).links.items()}
    found = place(made.part, made.views["new"], replace(made.whole, links=links), {})
    assert found is not None
    np.testing.assert_allclose(found.pose, made.place("new").pose, atol=1e-6)


@pytest.mark.parametrize("case", ["no links", "links elsewhere", "few matches", "matches that mean nothing"])
def test_what_the_points_do_not_show_is_not_placed(made: Made, case: str) -> None:
    own = made.input(["new"]).links
    rng = np.random.default_rng(0)
    links = {
        "no links": {},
        "links elsewhere": {pair: pairs for pair, pairs in made.whole.links.items() if "new" not in pair},
        "few matches": {pair: pairs[:19] for pair, pairs in list(own.items())[:1]},
        "matches that mean nothing": {
            pair: np.stack([rng.permutation(pairs[:, 0]), pairs[:, 1]], axis=1) for pair, pairs in own.items()
        },
    }[case]
    assert place(made.part, made.views["new"], replace(made.whole, links=links), {}) is None


def test_a_guessed_camera_is_the_one_that_the_part_solved_for(made: Made) -> None:
    guessed = replace(made.views["new"], camera=GUESS, is_calibrated=False)
    found = place(made.part, guessed, made.input(["new"]), {GUESS: CAMERA})
    assert found is not None
    assert found.camera == CAMERA
    np.testing.assert_allclose(found.pose, made.place("new").pose, atol=1e-6)
    calibrated = place(made.part, made.views["new"], made.input(["new"]), {CAMERA: GUESS})
    assert calibrated is not None
    assert calibrated.camera == CAMERA


def test_cameras_that_a_part_solved_for_are_found_by_what_they_were_guessed_to_be(made: Made) -> None:
    part = replace(made.part, cameras=[GUESS if uid == "r00" else CAMERA for uid in made.part.uids])
    tall = Camera.from_focal(480, 640, 500.0)
    views = {uid: view for uid, view in made.views.items() if uid != "r01"}
    assert solved_cameras(part, views | {"r00": replace(views["r00"], camera=tall)}) == {tall: GUESS, CAMERA: CAMERA}


def test_a_part_with_new_references_is_adjusted_as_a_whole(made: Made) -> None:
    part = made.extended(["new"])
    assert part.uids == [*made.part.uids, "new"]
    assert part.covariance.shape == (6 * len(part.uids),) * 2
    assert max(errors_m(part, [*REFERENCES, NEW])) < 0.1
    # Points that were there are seen by one more; none of the old is lost but for chance.
    assert (part.view == part.row_of["new"]).sum() > 100
    assert len(part.points) > 0.95 * len(made.part.points)
    stds = np.sqrt(np.diag(part.covariance_of([part.row_of["new"]])))
    assert stds[3:].max() < 0.2  # far better known than its source has it


def test_new_references_bring_points_of_their_own(made: Made) -> None:
    part = made.extended(["far0", "far1"])
    assert max(errors_m(part, FAR)) < 0.3
    rows = [part.row_of[each.uid] for each in FAR]
    others = np.bincount(part.point[~np.isin(part.view, rows)], minlength=len(part.points))
    fresh = np.flatnonzero(others == 0)
    assert len(fresh) > 30
    for point in fresh.tolist():
        assert sorted(part.view[part.point == point].tolist()) == rows
        # A painted point, to what two rays that meet in the distance tell.
        assert np.linalg.norm(STREET.points - part.points[point], axis=1).min() < 1.0


def stamps_of(part: MapPart) -> Callable[[str], str]:
    return dict(zip(part.uids, part.feature_stamps, strict=True)).__getitem__


def test_what_is_described_anew_leaves_the_part(made: Made) -> None:
    anew = made.part.uids[0]
    stamps = dict(zip(made.part.uids, made.part.feature_stamps, strict=True)) | {anew: "another"}
    part = without_gone(made.part, made.views, stamps.__getitem__)
    assert part is not None
    assert part.uids == made.part.uids[1:]


def test_a_part_of_which_nothing_is_gone_is_the_same(made: Made) -> None:
    assert without_gone(made.part, made.views, stamps_of(made.part)) is made.part


@settings(max_examples=25, deadline=None)
@given(rows=st.sets(st.integers(0, 6), min_size=2, max_size=6), replaced=st.booleans())
def test_without_those_that_are_gone_the_rest_is_as_it_was(made: Made, rows: set[int], replaced: bool) -> None:
    before, keep = made.part, sorted(rows)
    left = {before.uids[row]: made.views[before.uids[row]] for row in keep}
    gone = {uid: replace(made.views[uid], stamp="another") for uid in before.uids if uid not in left}
    part = without_gone(before, left | gone if replaced else left, stamps_of(before))
    assert part is not None
    assert part.uids == list(left)
    np.testing.assert_array_equal(part.poses, before.poses[keep])
    np.testing.assert_array_equal(part.covariance_of(range(len(keep))), before.covariance_of(keep))
    shared = np.bincount(before.point[np.isin(before.view, keep)], minlength=len(before.points)) >= 2
    assert len(part.points) == shared.sum()
    assert (np.diff(part.point) >= 0).all()
    for row, old in enumerate(keep):
        keypoints = np.arange(len(made.whole.keypoints[before.uids[old]]))
        now, then = part.points_at(row, keypoints), before.points_at(old, keypoints)
        seen = (then >= 0) & shared[then]
        np.testing.assert_array_equal(now >= 0, seen)
        np.testing.assert_array_equal(part.points[now[seen]], before.points[then[seen]])
        np.testing.assert_array_equal(
            part.pixels[part.view == row], before.pixels[(before.view == old) & shared[before.point]]
        )


def test_two_views_of_one_panorama_are_no_part(made: Made) -> None:
    whole = made.part
    frames = np.minimum(np.arange(len(whole.uids)), len(whole.uids) - 2)  # the last two are of one panorama
    size = 6 * (len(whole.uids) - 1)
    part = replace(whole, frames=frames, covariance=whole.covariance[:size, :size], own_std=whole.own_std[:-1])
    last = {uid: made.views[uid] for uid in part.uids[-2:]}
    assert without_gone(part, last, stamps_of(part)) is None
    assert without_gone(part, {}, stamps_of(part)) is None
    third = {uid: made.views[uid] for uid in part.uids[-3:]}
    left = without_gone(part, third, stamps_of(part))
    assert left is not None
    assert left.frames.tolist() == [0, 1, 1]
    assert left.covariance.shape == (12, 12)
