"""One photo that somebody waits for, and what they get."""

from __future__ import annotations

import time
from concurrent.futures import CancelledError, Future, InvalidStateError
from dataclasses import dataclass, field
from typing import Any

from geonav.data.images import PictureBytes
from geonav.data.results import LocalizationResult
from geonav.geometry.camera import Camera
from geonav.pipeline.view_matches import ViewMatches
from geonav.serving.refusals import RefusedError


class AbandonedError(Exception):
    """Nobody waits for this any more."""


@dataclass(frozen=True)
class Answer:
    """What was found of one photo.

    Attributes:
        result: with the name the client gave the photo.
        size: width and height of the upright photo, pixels.
        matches: of each posed reference that was matched.
    """

    result: LocalizationResult
    size: tuple[int, int]
    matches: list[ViewMatches]


@dataclass(eq=False)
class Job:
    """One photo that somebody waits for.

    Attributes:
        photo: let go of once it is decoded.
        deadline: on ``time.monotonic``.
        camera: its calibration, if known.
        search: settings of ``[search]`` that replace the server's.
        top_k: references to retrieve; the server's if None.
        answer: comes, or a RefusedError.
        is_abandoned: nobody waits any more.
    """

    photo: PictureBytes | None
    deadline: float
    camera: Camera | None = None
    search: dict[str, Any] = field(default_factory=dict)
    top_k: int | None = None
    answer: Future[Answer] = field(default_factory=Future)
    is_abandoned: bool = False

    def abandon(self) -> None:
        """Nobody waits any more: it is not begun, or ends before its next match."""
        self.is_abandoned = True
        self.answer.cancel()

    def check(self) -> None:
        """Go on?

        Raises:
            AbandonedError: nobody waits.
            RefusedError: its time is up.
        """
        if self.is_abandoned:
            raise AbandonedError
        if time.monotonic() > self.deadline:
            raise too_slow()

    def succeed(self, answer: Answer) -> None:
        """Give the answer, if somebody still waits."""
        try:
            self.answer.set_result(answer)
        except (InvalidStateError, CancelledError):
            self.is_abandoned = True

    def fail(self, error: RefusedError) -> None:
        """Say why there is no answer."""
        try:
            self.answer.set_exception(error)
        except (InvalidStateError, CancelledError):
            self.is_abandoned = True


def too_slow() -> RefusedError:
    """The refusal of a request whose time is up."""
    return RefusedError(
        504, "this photo took longer than the server allows: name a place to search around, or try later"
    )
