"""What became of a query, in one word: the same that the report counts."""

from __future__ import annotations

from geonav.evaluation.record import QueryScore


def outcome(score: QueryScore) -> str:
    """``right``, the failure, or of a distractor ``false_accept`` or ``distractor_refused``."""
    if score.is_distractor:
        return "false_accept" if score.status == "located" else "distractor_refused"
    return score.failure or ("right" if score.status == "located" else score.status)
