"""Tracks with known truth: wrong frames are corrected or refused, and every ellipse holds what it promises."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, replace

import numpy as np
import pytest

from geonav.geometry.pose import camera_center, pose_from_center, rotation_from_vector
from geonav.pose.candidate import Candidate, fused
from geonav.pose.motion import Gaussian, MotionPrior, predictions
from geonav.pose.sequence import Frame, Limits, Verdict, judge
from geonav.pose.uncertainty import CHI2_95_2D, ellipse_95

WALK = MotionPrior(max_speed_m_s=3.0, acceleration_std=0.7, climb_std=0.2)
DRIVE = MotionPrior()
NORTHWARDS = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])


@dataclass
class Track:
    """A true motion and what each frame says of it."""

    times: np.ndarray
    truth: np.ndarray  # (N, 3)
    frames: list[Frame]


def _candidate(
    center: np.ndarray, std_m: float | np.ndarray, rng: np.random.Generator, support: int = 100
) -> Candidate:
    """A pose with an error drawn from its own covariance."""
    matrix = np.diag(np.concatenate([np.full(3, np.radians(0.2) ** 2), np.broadcast_to(std_m, 3) ** 2]))
    error = rng.multivariate_normal(np.zeros(6), matrix)
    rotation = rotation_from_vector(error[:3]) @ NORTHWARDS
    return Candidate(pose_from_center(rotation, center + error[3:]), matrix, support)


def _track(seed: int, count: int, step_s: float, prior: MotionPrior, std_m: float = 0.05) -> Track:
    """A motion drawn from the prior itself, kept below its speed, every frame located."""
    rng = np.random.default_rng(seed)
    times = np.cumsum(rng.uniform(0.7, 1.3, count) * step_s)
    fine = 50
    place, velocity = np.zeros(3), np.array([prior.max_speed_m_s / 3, 0.0, 0.0])
    truth = []
    for before, now in itertools.pairwise([0.0, *times]):
        for _ in range(fine):
            seconds = (now - before) / fine
            place = place + velocity * seconds
            velocity = velocity + rng.normal(size=3) * np.sqrt(prior.spectral_density * seconds)
            velocity *= min(1.0, 0.8 * prior.max_speed_m_s / float(np.linalg.norm(velocity)))
        truth.append(place)
    frames = [Frame(t, True, (_candidate(p, std_m, rng),)) for t, p in zip(times, truth, strict=True)]
    return Track(times, np.array(truth), frames)


def _refused(frame: Frame) -> Frame:
    return replace(frame, is_located=False)


def _moved(frame: Frame, by: np.ndarray) -> Frame:
    """The frame believed in a pose that is wrong by ``by`` metres and as certain of it."""
    own = frame.candidates[0]
    wrong = replace(own, pose=pose_from_center(own.pose[:3, :3], camera_center(own.pose) + by))
    return replace(frame, candidates=(wrong,))


def _error_m(verdict: Verdict, truth: np.ndarray) -> float:
    center = camera_center(verdict.pose) if verdict.pose is not None else verdict.place.mean  # type: ignore[union-attr]
    return float(np.linalg.norm((center - truth)[:2]))


def _holds(verdict: Verdict, truth: np.ndarray) -> bool:
    """Whether the true place lies in the 95 % ellipse."""
    if verdict.place is not None:
        mean, covariance = verdict.place.mean, verdict.place.covariance
    else:
        assert verdict.pose is not None
        assert verdict.covariance is not None
        mean, covariance = camera_center(verdict.pose), verdict.covariance[3:, 3:]
    off = (mean - truth)[:2]
    return bool(off @ np.linalg.solve(covariance[:2, :2], off) <= CHI2_95_2D)


def test_a_prediction_is_the_posterior_of_the_whole_motion() -> None:
    """Against the dense Gaussian: a doubly integrated white noise has a known covariance at any times."""
    times = np.array([0.0, 0.7, 1.1, 2.5, 3.0])
    rng = np.random.default_rng(1)
    seen = [Gaussian(rng.normal(size=3), np.diag(rng.uniform(0.1, 2.0, 3) ** 2)) for _ in times]
    prior = MotionPrior(max_speed_m_s=8.0, acceleration_std=1.3, climb_std=1.75)  # one velocity prior for all axes
    speed = prior.velocity_covariance()[0, 0]
    shorter, longer = np.minimum.outer(times, times), np.maximum.outer(times, times)
    for axis, density in enumerate(prior.spectral_density):
        wander = density * shorter**2 * (3 * longer - shorter) / 6.0
        motion = wander + speed * np.outer(times, times) + 1e5  # the last: nothing is known of the place
        for index in range(1, len(times)):  # the first frame starts the filter
            others = [i for i in range(len(times)) if i != index]
            noise = np.diag([seen[i].covariance[axis, axis] for i in others])
            gain = motion[index, others] @ np.linalg.inv(motion[np.ix_(others, others)] + noise)
            mean = gain @ np.array([seen[i].mean[axis] for i in others])
            variance = motion[index, index] - gain @ motion[others, index]
            found = predictions(times, seen, prior)[index]
            assert found is not None
            assert found.mean[axis] == pytest.approx(mean, abs=1e-3)
            assert found.covariance[axis, axis] == pytest.approx(variance, rel=2e-3)


def test_nothing_is_predicted_from_nothing() -> None:
    place = Gaussian(np.zeros(3), np.eye(3))
    assert predictions(np.array([0.0, 1.0]), [None, None], WALK) == [None, None]
    alone = predictions(np.array([0.0, 1.0]), [place, None], WALK)
    assert alone[0] is None
    assert alone[1] is not None


@pytest.mark.parametrize(("prior", "step_s"), [(WALK, 1.0), (DRIVE, 0.5), (WALK, 30.0)])
def test_what_was_right_alone_stays(prior: MotionPrior, step_s: float) -> None:
    track = _track(3, 60, step_s, prior)
    verdicts = judge(track.frames, prior, Limits())
    assert [verdict.status for verdict in verdicts] == ["located"] * 60
    assert not any(verdict.starts_piece for verdict in verdicts)


@pytest.mark.parametrize("run", [1, 2, 4])
@pytest.mark.parametrize("meters", [8.0, 60.0])
def test_frames_wrong_alone_are_refused(run: int, meters: float) -> None:
    """Also several beside each other that are wrong by the same, as on a facade that repeats."""
    track = _track(5, 40, 1.0, WALK)
    wrong = range(18, 18 + run)
    for index in wrong:
        track.frames[index] = _moved(track.frames[index], np.array([0.0, meters, 0.0]))
    verdicts = judge(track.frames, WALK, Limits())
    for index, verdict in enumerate(verdicts):
        if index not in wrong:
            assert verdict.status == "located"
            continue
        assert verdict.status == "interpolated"
        assert verdict.pose is None
        assert verdict.choice is None
        said = re.match(r"its own pose is ([\d.]+) m from where", str(verdict.reason))
        assert said is not None
        assert float(said[1]) == pytest.approx(meters, abs=3.0)
        assert _error_m(verdict, track.truth[index]) < meters / 2


def test_a_wrong_frame_is_corrected_to_the_candidate_that_fits() -> None:
    track = _track(6, 30, 1.0, WALK)
    right = track.frames[15]
    wrong = _moved(right, np.array([6.0, 3.0, 0.0]))
    track.frames[15] = replace(wrong, candidates=(*wrong.candidates, replace(right.candidates[0], support=60)))
    verdict = judge(track.frames, WALK, Limits())[15]
    assert (verdict.status, verdict.choice) == ("corrected", 1)
    assert "6." in str(verdict.reason)
    assert _error_m(verdict, track.truth[15]) < 0.3


def test_a_refused_frame_is_confirmed_where_its_neighbours_put_it_and_nowhere_else() -> None:
    track = _track(7, 30, 1.0, WALK)
    track.frames[10] = _refused(track.frames[10])
    track.frames[20] = _refused(_moved(track.frames[20], np.array([5.0, 0.0, 0.0])))
    verdicts = judge(track.frames, WALK, Limits())
    assert verdicts[10].status == "confirmed"
    assert verdicts[10].reason is None
    assert verdicts[20].status == "interpolated"
    assert verdicts[20].pose is None


def test_a_confirmed_pose_is_less_certain_than_it_claims() -> None:
    """What refused it makes its errors larger: half a metre where five centimetres are claimed must be held."""
    held = []
    for seed in range(20):
        track = _track(seed, 20, 1.0, WALK)
        turn = 2.0 * np.pi * seed / 20
        track.frames[10] = _refused(_moved(track.frames[10], 0.5 * np.array([np.cos(turn), np.sin(turn), 0.0])))
        verdict = judge(track.frames, WALK, Limits())[10]
        if verdict.status == "confirmed":
            held.append(_holds(verdict, track.truth[10]))
    assert len(held) > 5
    assert np.mean(held) > 0.9


def test_two_candidates_that_both_fit_are_both_refused() -> None:
    track = _track(8, 30, 1.0, WALK)
    beside = _moved(track.frames[10], np.array([0.3, 0.0, 0.0])).candidates
    track.frames[10] = replace(_refused(track.frames[10]), candidates=(*track.frames[10].candidates, *beside))
    assert judge(track.frames, WALK, Limits())[10].status == "interpolated"


def test_few_keypoints_are_not_confirmed() -> None:
    track = _track(8, 30, 1.0, WALK)
    weak = replace(track.frames[10].candidates[0], support=5)
    track.frames[10] = replace(_refused(track.frames[10]), candidates=(weak,))
    assert judge(track.frames, WALK, Limits())[10].status == "interpolated"


def test_a_pose_turned_about_is_refused() -> None:
    track = _track(8, 30, 0.2, WALK)
    own = track.frames[10].candidates[0]
    around = pose_from_center(rotation_from_vector([0, np.pi, 0]) @ own.pose[:3, :3], camera_center(own.pose))
    track.frames[10] = replace(track.frames[10], candidates=(replace(own, pose=around),))
    assert judge(track.frames, WALK, Limits())[10].pose is None


def test_two_frames_that_contradict_each_other_are_both_refused() -> None:
    track = _track(9, 2, 1.0, WALK)
    track.frames[1] = _moved(track.frames[1], np.array([100.0, 0.0, 0.0]))
    verdicts = judge(track.frames, WALK, Limits())
    assert [verdict.status for verdict in verdicts] == ["refused", "refused"]
    assert "contradict each other" in str(verdicts[0].reason)
    assert "do not agree" in str(verdicts[1].reason)


def test_one_located_frame_stands_alone_and_places_no_other() -> None:
    track = _track(9, 5, 1.0, WALK)
    frames = [Frame(t, False) if i != 2 else track.frames[2] for i, t in enumerate(track.times)]
    assert [v.status for v in judge(frames, WALK, Limits())] == ["refused", "refused", "located", "refused", "refused"]


def test_nothing_at_all() -> None:
    assert judge([], WALK, Limits()) == []
    assert [v.status for v in judge([Frame(0.0, False), Frame(1.0, False)], WALK, Limits())] == ["refused"] * 2


def test_a_film_that_is_cut_gives_two_tracks_with_nothing_between() -> None:
    first, second = _track(10, 20, 0.5, WALK), _track(11, 22, 0.5, WALK)
    away = np.array([400.0, -300.0, 0.0])
    frames = [*first.frames, *(_moved(f, away) for f in second.frames)]
    late = first.times[-1] + 0.5
    frames = [replace(f, time_s=f.time_s + (late if i >= 20 else 0.0)) for i, f in enumerate(frames)]
    frames[19], frames[20] = Frame(frames[19].time_s, False), Frame(frames[20].time_s, False)
    verdicts = judge(frames, WALK, Limits())
    assert [i for i, verdict in enumerate(verdicts) if verdict.starts_piece] == [21]
    assert [i for i, verdict in enumerate(verdicts) if verdict.status != "located"] == [19, 20]
    assert verdicts[19].place is None, "no motion leads over the cut"


def test_long_gaps_are_not_filled() -> None:
    track = _track(12, 60, 1.0, DRIVE)
    frames = [f if i < 10 or i >= 50 else Frame(f.time_s, False) for i, f in enumerate(track.frames)]
    verdicts = judge(frames, DRIVE, Limits())
    widths = [ellipse_95(v.place.covariance[:2, :2])[0] for v in verdicts if v.place is not None]
    assert verdicts[30].status == "refused"
    assert verdicts[10].status == verdicts[49].status == "interpolated"
    assert max(widths) <= Limits().max_interpolated_m
    assert min(widths) > 1.0


def test_an_interpolated_ellipse_is_wider_than_its_neighbours() -> None:
    track = _track(13, 9, 1.0, WALK)
    track.frames[4] = Frame(track.times[4], False)
    verdicts = judge(track.frames, WALK, Limits())
    place = verdicts[4].place
    assert place is not None
    for beside in (verdicts[3], verdicts[5]):
        assert beside.covariance is not None
        assert np.linalg.eigvalsh(place.covariance - beside.covariance[3:, 3:])[0] > 0


@pytest.mark.parametrize("prior", [WALK, DRIVE])
def test_ellipses_hold_the_truth_of_every_kind_of_answer(prior: MotionPrior) -> None:
    """A tenth of the frames wrong, a third refused with the right pose among three, a tenth without any."""
    inside: dict[str, list[bool]] = {}
    wrong_accepted = answered = 0
    for seed in range(8):
        rng = np.random.default_rng([seed, 4])
        track = _track(seed, 80, 0.5, prior)
        for index, frame in enumerate(track.frames):
            lot = rng.uniform()
            astray = [_moved(frame, rng.normal(0, 10, 3) * [1, 1, 0.1]).candidates[0] for _ in range(2)]
            if lot < 0.1:
                track.frames[index] = replace(frame, candidates=(astray[0],))
            elif lot < 0.2:
                track.frames[index] = Frame(frame.time_s, False)
            elif lot < 0.5:
                unsure = _candidate(track.truth[index], np.array([2.0, 0.1, 0.1]), rng)
                track.frames[index] = Frame(frame.time_s, False, (astray[0], unsure, astray[1]))
        for verdict, truth in zip(judge(track.frames, prior, Limits()), track.truth, strict=True):
            if verdict.status != "refused":
                inside.setdefault(verdict.status, []).append(_holds(verdict, truth))
            if verdict.pose is not None:
                answered += 1
                wrong_accepted += _error_m(verdict, truth) > 3.0
    coverage = {status: np.mean(held) for status, held in inside.items()}
    assert set(coverage) >= {"located", "confirmed", "interpolated"}
    assert min(coverage.values()) > 0.88, coverage
    assert answered > 0.6 * 8 * 80
    assert wrong_accepted <= 0.003 * answered, (wrong_accepted, answered)


def test_frames_that_share_their_error_are_not_more_certain_together() -> None:
    """Ten estimates with one common error: the mean is as uncertain as each."""
    rng = np.random.default_rng(0)
    still = MotionPrior(max_speed_m_s=0.1, acceleration_std=1e-3, climb_std=1e-3)
    held = []
    for _ in range(80):
        common = rng.normal(0, 1.0, 3)
        matrix = np.diag([1e-4] * 3 + [1.0] * 3)
        own = Candidate(pose_from_center(NORTHWARDS, common), matrix, 100, frozenset({"a"}))
        frames = [Frame(float(t), True, (own,)) for t in range(10)]
        held += [_holds(verdict, np.zeros(3)) for verdict in judge(frames, still, Limits())]
    assert np.mean(held) > 0.88


def test_fusing_turns_the_camera_as_far_as_turning_and_moving_go_together() -> None:
    """Of a pose whose error is one unknown along a line, knowing the place tells the rotation."""
    line = np.array([0.0, 0.0, 0.02, 1.0, 0.0, 0.0])  # one metre east goes with 0.02 rad about the axis
    matrix = np.outer(line, line) + 1e-8 * np.eye(6)
    wrong = 0.7 * line
    pose = pose_from_center(rotation_from_vector(wrong[:3]), wrong[3:])
    found, covariance, is_fused = fused(Candidate(pose, matrix, 99), Gaussian(np.zeros(3), 1e-6 * np.eye(3)), 1)
    assert is_fused
    assert np.allclose(found, np.eye(4), atol=1e-4)
    assert np.all(np.linalg.eigvalsh(covariance) > 0)
    assert covariance[2, 2] < 1e-6
