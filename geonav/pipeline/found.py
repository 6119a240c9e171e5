"""What retrieval and matching gave for one photo, and how long each stage took."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from geonav.pipeline.matching import MatchedReferences


@dataclass
class Stopwatch:
    """Adds up the seconds of each stage; a stage inside another counts for itself alone."""

    seconds: dict[str, float] = field(default_factory=dict)
    _inside: float = 0.0

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count what runs inside."""
        start, around, self._inside = time.perf_counter(), self._inside, 0.0
        try:
            yield
        finally:
            whole = time.perf_counter() - start
            self.seconds[name] = round(self.seconds.get(name, 0.0) + whole - self._inside, 4)
            self._inside = around + whole


@dataclass(frozen=True)
class Found:
    """What retrieval and matching gave for one photo.

    Attributes:
        hits: similarity of each reference found, best first.
        top_k: how many were asked for.
        matches: what matching gave.
        watch: the time it took.
        notes: what a careful reader should know of retrieval.
        around: similarity of references that were matched for where they stand.
    """

    hits: dict[str, float]
    top_k: int
    matches: MatchedReferences
    watch: Stopwatch
    notes: list[str] = field(default_factory=list)
    around: dict[str, float] = field(default_factory=dict)

    @property
    def not_hits(self) -> list[str]:
        """References that were matched although they were no hits."""
        return [uid for uid in self.matches.num_matches if uid not in self.hits]

    @property
    def used(self) -> list[tuple[str, float]]:
        """Uid and similarity of the hits asked for and of whatever else was matched."""
        excluded, matched = self.matches.excluded, self.matches.num_matches
        asked_for = set(list(self.hits)[: self.top_k + len(excluded)])
        found = {**self.hits, **self.around}
        return [
            (uid, score) for uid, score in found.items() if uid not in excluded and uid in asked_for | matched.keys()
        ]


def nothing_matched(matches: MatchedReferences) -> str:
    """Why no reference can carry a pose."""
    if matches.unposed and not matches.num_matches:
        return "none of the retrieved references has a pose: they have no heading, or no calibration"
    if matches.broken and not matches.num_matches:
        return f"the retrieved references cannot be read: {matches.broken[0][1]}"
    return "the retrieved references share no keypoints with the photo"


def matching_notes(matches: MatchedReferences) -> list[str]:
    """What was left out, and why."""
    notes = [f"the photo is itself the reference {uid}, which was left out" for uid in matches.excluded]
    if matches.unposed:
        notes.append(f"{len(matches.unposed)} retrieved references have no pose and were not used")
    notes += [f"reference {uid} could not be used: {reason}" for uid, reason in matches.broken]
    return notes
