"""How many keypoints must agree before a pose is believed: derived from a run with photos from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from geonav.errors import InputError
from geonav.evaluation.openset import answer_of
from geonav.evaluation.record import QueryScore
from geonav.evaluation.shares import upper_bound_95

# As the setting: fewer keypoints do not determine a pose.
LEAST_INLIERS = 6


@dataclass(frozen=True)
class Operating:
    """What one threshold would have given.

    Attributes:
        min_inliers: keypoints that must agree.
        answered: share of the queries that would be answered.
        false_accepts: share of the distractors that would be.
        wrong: of the answers to queries, the share that is too far from the truth.
    """

    min_inliers: int
    answered: float
    false_accepts: float
    wrong: float


@dataclass(frozen=True)
class Derived:
    """The threshold that a run asks for.

    Attributes:
        min_inliers: the smallest at which neither the share of false accepts nor that of wrong answers exceeds the
            allowed one.
        chosen: what it would have given.
        num_queries: queries with a truth.
        num_distractors: photos from elsewhere.
        false_accepts_at_most: what the true share does not exceed with 95 %, given so few distractors.
        accepted_from: the threshold of the run itself: what it refused for fewer cannot be judged.
        curve: what every threshold would have given, from the lowest on; where nothing changes there is no point.
    """

    min_inliers: int
    chosen: Operating
    num_queries: int
    num_distractors: int
    false_accepts_at_most: float
    accepted_from: int
    curve: tuple[Operating, ...]

    @property
    def is_bounded_by_run(self) -> bool:
        """Whether a lower threshold might have done as well, which this run cannot tell."""
        return self.min_inliers <= self.accepted_from > LEAST_INLIERS

    @property
    def toml(self) -> str:
        """The lines of ``geonav.toml`` that set it."""
        return f"[localize]\nmin_inliers = {self.min_inliers}"


def derive_threshold(
    scores: Sequence[QueryScore], max_false_accepts: float = 0.01, accepted_from: int = LEAST_INLIERS
) -> Derived:
    """The smallest ``localize.min_inliers`` that keeps false answers rare.

    A query answered with a wrong pose is as false an answer as a distractor's: both shares are held down.

    Args:
        scores: of a run with distractors.
        max_false_accepts: largest allowed share, in [0, 1).
        accepted_from: ``localize.min_inliers`` of the run; run with 6 to see all there is.

    Raises:
        InputError: the run has no distractors or no queries.
    """
    real = [score for score in scores if not score.is_distractor]
    false = [score for score in scores if score.is_distractor]
    if not real or not false:
        missing = "distractors" if real else "queries"
        msg = f"the run has no {missing}: a threshold needs both, run it with --query-set and --distractors"
        raise InputError(msg)
    curve = tuple(_operating(real, false, least) for least in _candidates(scores, accepted_from))
    # Where even the last threshold lets too much through, none but one above every answer is left: it lets nothing.
    chosen = next(
        point for point in curve if point.false_accepts <= max_false_accepts and point.wrong <= max_false_accepts
    )
    return Derived(
        min_inliers=chosen.min_inliers,
        chosen=chosen,
        num_queries=len(real),
        num_distractors=len(false),
        false_accepts_at_most=upper_bound_95(round(chosen.false_accepts * len(false)), len(false)),
        accepted_from=accepted_from,
        curve=curve,
    )


def _candidates(scores: Sequence[QueryScore], accepted_from: int) -> list[int]:
    """The threshold of the run, and one above each number of inliers that was answered with."""
    answered = {int(answer) + 1 for answer in map(answer_of, scores) if answer is not None}
    return sorted({accepted_from, *(least for least in answered if least > accepted_from)})


def _operating(real: Sequence[QueryScore], false: Sequence[QueryScore], least: int) -> Operating:
    kept = [score for score in real if _is_answered(score, least)]
    wrong = sum(score.failure == "wrong_pose" for score in kept)
    return Operating(
        min_inliers=least,
        answered=round(len(kept) / len(real), 6),
        false_accepts=round(sum(_is_answered(score, least) for score in false) / len(false), 6),
        wrong=round(wrong / len(kept), 6) if kept else 0.0,
    )


def _is_answered(score: QueryScore, least: int) -> bool:
    answer = answer_of(score)
    return answer is not None and answer >= least
