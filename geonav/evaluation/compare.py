"""Two runs over the same queries, side by side: what differs, by how much, and which queries changed and why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from geonav.errors import InputError
from geonav.evaluation.metrics import RANKS, THRESHOLDS, Threshold, is_within
from geonav.evaluation.outcome import outcome
from geonav.evaluation.paired import mcnemar_p, median_difference, share_difference, wilcoxon_p
from geonav.evaluation.record import QueryRecord, QueryScore, Truth
from geonav.evaluation.run_folder import Run
from geonav.evaluation.scoring import orientation_error_deg, position_error_m, score_run

Pair = tuple[QueryScore, QueryScore]
# Rounding between frames; a place that was corrected is further off.
_SAME_DEG, _SAME_M, _SAME_TURN_DEG = 1e-8, 1e-3, 1e-5


@dataclass(frozen=True)
class Difference:
    """One figure of both runs.

    Attributes:
        what: the figure.
        num: queries that it counts.
        a: in the first run.
        b: in the second.
        difference: b less a.
        low: 95 % interval of the difference by bootstrap over the queries.
        high: its other end.
        test: the paired test that ``p`` is of.
        p: how likely so large a difference is by chance; None where nothing differs.
        only_a: of a share, queries for which it holds in the first run alone; None of a median.
        only_b: in the second alone.
    """

    what: str
    num: int
    a: float
    b: float
    difference: float
    low: float
    high: float
    test: str
    p: float | None
    only_a: int | None = None
    only_b: int | None = None


@dataclass(frozen=True)
class Change:
    """A query that ended otherwise.

    Attributes:
        name: of the query.
        before: what became of it in the first run, as ``right`` or ``not_matched``.
        after: in the second.
        why_before: reason or errors in the first run.
        why_after: in the second.
        is_better: whether it is right, or rightly refused, now and was not; None where it is neither better nor worse.
    """

    name: str
    before: str
    after: str
    why_before: str
    why_after: str
    is_better: bool | None


@dataclass(frozen=True)
class Comparison:
    """Two runs.

    Attributes:
        a: name of the first.
        b: name of the second.
        num_pairs: queries and distractors in both.
        only_in_a: names of queries that the second run does not have.
        only_in_b: names that the first does not have.
        differences: figures of both, queries in both alone.
        changes: queries that ended otherwise, worse ones first.
    """

    a: str
    b: str
    num_pairs: int
    only_in_a: tuple[str, ...]
    only_in_b: tuple[str, ...]
    differences: tuple[Difference, ...]
    changes: tuple[Change, ...]


def compare_runs(
    a: Run,
    b: Run,
    within_m: float | None = None,
    thresholds: Sequence[Threshold] = THRESHOLDS,
    seed: int = 0,
) -> Comparison:
    """Compare two runs over the same photos, as far as they have them in common.

    Args:
        a: the first run.
        b: the second.
        within_m: a reference up to this distance from the truth is a right one; as in the runs if left out.
        thresholds: metres and degrees within which shares are compared.
        seed: of the bootstrap.

    Raises:
        InputError: no query is in both, or one of that name is not the same photo, with the same truth, in both; or
            the runs took references for right within different distances and ``within_m`` is left out.
    """
    names = (a.info.name, b.info.name) if a.info.name != b.info.name else (str(a.folder), str(b.folder))
    _check_same_photos(a, b, names)
    if within_m is None and a.recall_within_m != b.recall_within_m:
        msg = (
            f"references are right within {a.recall_within_m:g} m in {names[0]} and {b.recall_within_m:g} m in "
            f"{names[1]}: say which with --recall-within"
        )
        raise InputError(msg)
    first, second = (score_run(run, within_m or run.recall_within_m) for run in (a, b))
    return compare_scores(first, second, names, thresholds, seed, depth=min(a.depth, b.depth))


def _check_same_photos(a: Run, b: Run, names: tuple[str, str]) -> None:
    known = {record.name: record for record in a.records}
    for record in b.records:
        difference = _difference(known[record.name], record) if record.name in known else None
        if difference:
            msg = f"{record.name} {difference} in {names[0]} and {names[1]}: compare runs over the same query set"
            raise InputError(msg)


def _difference(a: QueryRecord, b: QueryRecord) -> str | None:
    """What two records of one name differ in that makes errors incomparable; frames may differ, places may not."""
    if a.sha256 and b.sha256 and a.sha256 != b.sha256:
        return "is not the same photo"
    if a.truth is not None and b.truth is not None and not _is_same_place(a.truth, b.truth):
        return "has not the same true place"
    return None


def _is_same_place(a: Truth, b: Truth) -> bool:
    """Whether two truths are one, computed in frames of different origins; what one does not know is not compared."""
    apart = [abs(a.lat - b.lat) / _SAME_DEG, abs(a.lng - b.lng) / _SAME_DEG]
    if a.alt is not None and b.alt is not None:
        apart.append(abs(a.alt - b.alt) / _SAME_M)
    if a.azimuth is not None and b.azimuth is not None:
        turn = abs((a.azimuth - b.azimuth + 180.0) % 360.0 - 180.0)
        apart.append(turn / _SAME_TURN_DEG)
    return max(apart) <= 1.0


def compare_scores(
    a: Sequence[QueryScore],
    b: Sequence[QueryScore],
    names: tuple[str, str] = ("a", "b"),
    thresholds: Sequence[Threshold] = THRESHOLDS,
    seed: int = 0,
    *,
    depth: int = RANKS[-1],
) -> Comparison:
    """Compare two runs query by query; they are paired by name.

    Args:
        a: scores of the first run.
        b: of the second, against the same truth.
        names: of the runs.
        thresholds: metres and degrees within which shares are compared.
        seed: of the bootstrap.
        depth: hits that both asked for; recall among more is not compared.

    Raises:
        InputError: no query is in both, or one is a distractor in one of them alone.
    """
    first, second = ({score.name: score for score in scores} for scores in (a, b))
    pairs = [(score, second[name]) for name, score in first.items() if name in second]
    if not pairs:
        msg = f"{names[0]} and {names[1]} have no query in common: compare runs over the same query set"
        raise InputError(msg)
    for x, y in pairs:
        if x.is_distractor != y.is_distractor:
            msg = f"{x.name} is a distractor in one of {names[0]} and {names[1]} alone: compare runs of the same sets"
            raise InputError(msg)
    real = [pair for pair in pairs if not pair[0].is_distractor]
    elsewhere = [pair for pair in pairs if pair[0].is_distractor]
    ranks = [rank for rank in RANKS if rank <= depth]
    shares = _shares(real, thresholds, ranks, seed)
    differences = [*shares, *_answered_elsewhere(elsewhere, seed), *_medians(real, seed)]
    changes = [_change(x, y) for x, y in pairs if outcome(x) != outcome(y)]
    order = {False: 0, True: 1, None: 2}
    return Comparison(
        a=names[0],
        b=names[1],
        num_pairs=len(pairs),
        only_in_a=tuple(name for name in first if name not in second),
        only_in_b=tuple(name for name in second if name not in first),
        differences=tuple(differences),
        changes=tuple(sorted(changes, key=lambda change: (order[change.is_better], change.name))),
    )


def _shares(
    pairs: Sequence[Pair], thresholds: Sequence[Threshold], ranks: Sequence[int], seed: int
) -> list[Difference]:
    judged = [pair for pair in pairs if all(score.has_positive is not None for score in pair)]
    found = [
        _share("located", pairs, _is_located, seed),
        _share("right", pairs, lambda score: outcome(score) == "right", seed),
        *(
            _share(
                f"within {metres:g} m, {degrees:g} deg", pairs, partial(is_within, threshold=(metres, degrees)), seed
            )
            for metres, degrees in thresholds
        ),
        *(_share(f"recall@{rank}", judged, partial(_is_recalled, rank=rank), seed) for rank in ranks),
    ]
    return [difference for difference in found if difference is not None]


def _answered_elsewhere(pairs: Sequence[Pair], seed: int) -> list[Difference]:
    found = _share("distractors answered", pairs, _is_located, seed)
    return [] if found is None else [found]


def _share(what: str, pairs: Sequence[Pair], holds: Callable[[QueryScore], bool], seed: int) -> Difference | None:
    if not pairs:
        return None
    a, b = (np.array([holds(pair[side]) for pair in pairs], bool) for side in (0, 1))
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    difference, low, high = share_difference(a, b, seed)
    return Difference(
        what, len(pairs), float(a.mean()), float(b.mean()), difference, low, high, "McNemar, exact",
        mcnemar_p(only_a, only_b) if only_a + only_b else None, only_a, only_b,
    )  # fmt: skip


def _medians(pairs: Sequence[Pair], seed: int) -> list[Difference]:
    """Of the queries that both runs located: one that gave up its worst photos would look better otherwise."""
    found = []
    for what, field in (
        ("median error m", "position_error_m"),
        ("median horizontal error m", "horizontal_error_m"),
        ("median rotation error deg", "rotation_error_deg"),
        ("median heading error deg", "azimuth_error_deg"),
        ("median semi-major axis m", "semi_major_m"),
    ):
        sides = [(getattr(x, field), getattr(y, field)) for x, y in pairs]
        both = [(abs(first), abs(second)) for first, second in sides if first is not None and second is not None]
        if both:
            found.append(_median(what, both, seed))
    return [*found, *([_median("median seconds", [(x.seconds, y.seconds) for x, y in pairs], seed)] if pairs else [])]


def _median(what: str, both: Sequence[Threshold], seed: int) -> Difference:
    a, b = np.array(both, float).T
    difference, low, high = median_difference(a, b, seed)
    medians = float(np.median(a)), float(np.median(b))
    return Difference(what, len(both), *medians, difference, low, high, "Wilcoxon", wilcoxon_p(a.tolist(), b.tolist()))


def _is_located(score: QueryScore) -> bool:
    return score.status == "located"


def _is_recalled(score: QueryScore, rank: int) -> bool:
    return score.first_right is not None and score.first_right <= rank


def _change(before: QueryScore, after: QueryScore) -> Change:
    good = [outcome(score) in {"right", "distractor_refused"} for score in (before, after)]
    return Change(
        name=before.name,
        before=outcome(before),
        after=outcome(after),
        why_before=_why(before),
        why_after=_why(after),
        is_better=None if good[0] == good[1] else good[1],
    )


def _why(score: QueryScore) -> str:
    """The reason of a refusal; of an answer, how far it is off."""
    if score.reason:
        return score.reason
    position, rotation = position_error_m(score), orientation_error_deg(score)
    parts = [] if position is None else [f"{position:.3g} m"]
    if rotation is not None:
        parts.append(f"{rotation:.3g} deg")
    off = f"off by {', '.join(parts)}" if parts else "located"
    return f"{off}, {score.num_inliers} keypoints agree"
