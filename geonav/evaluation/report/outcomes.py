"""What became of a query, in words: the kinds that the page counts, colours and filters by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from geonav.data.results import LocalizationResult
from geonav.evaluation.outcome import outcome
from geonav.evaluation.record import QueryScore

GOOD, WEAK, BAD = "good", "weak", "bad"


@dataclass(frozen=True)
class Outcome:
    """A kind of query.

    Attributes:
        key: its name in records.
        label: its name on the page.
        tone: ``good``, ``weak`` (no answer) or ``bad`` (a wrong one).
        meaning: one sentence.
    """

    key: str
    label: str
    tone: str
    meaning: str


_KNOWN = (
    Outcome("right", "right", GOOD, "Located, no further from the truth than 5 m and 10 degrees."),
    Outcome("distractor_refused", "rightly refused", GOOD, "Taken elsewhere, and not answered."),
    Outcome("located", "located", GOOD, "A pose was found and accepted; no truth to compare with."),
    Outcome("unreadable", "unreadable", WEAK, "The photo's file could not be read."),
    Outcome("not_retrieved", "not retrieved", WEAK, "No reference from near the truth is among the best hits."),
    Outcome("not_matched", "not matched", WEAK, "References from near the truth were found, but too little matches."),
    Outcome("no_geometry", "no geometry", WEAK, "Keypoints match, but no pose that could be believed explains them."),
    Outcome("retrieved_only", "retrieved only", WEAK, "The place looks known, but no pose could be believed."),
    Outcome("not_located", "not located", WEAK, "No pose could be believed."),
    Outcome("wrong_pose", "wrong pose accepted", BAD, "An accepted pose is off by more than 5 m or 10 degrees."),
    Outcome("false_accept", "wrongly answered", BAD, "Taken elsewhere, and yet given a pose."),
)  # fmt: skip
_BY_KEY = {kind.key: kind for kind in _KNOWN}


def outcome_key(result: LocalizationResult, score: QueryScore | None) -> str:
    """The kind of a query; that of its result alone where nothing is known of the truth."""
    return result.status if score is None else outcome(score)


def outcome_of(key: str) -> Outcome:
    """The kind of a name, also of one that is not known here."""
    return _BY_KEY.get(key) or Outcome(key, key.replace("_", " "), WEAK, "")


def counted(keys: Sequence[str]) -> list[tuple[Outcome, int]]:
    """The kinds that occur and how often, good ones first."""
    order = {kind.key: number for number, kind in enumerate(_KNOWN)}
    found = Counter(keys)
    return [(outcome_of(key), found[key]) for key in sorted(found, key=lambda key: (order.get(key, len(order)), key))]
