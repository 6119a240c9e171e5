"""What a long run tells its caller while it works."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class ProgressEvent:
    """One step of a long run.

    Attributes:
        stage: what is being done, for example ``"import"``.
        done: items finished so far, this one included.
        total: items there are.
        item: the name of the item just finished.
    """

    stage: str
    done: int
    total: int
    item: str


OnProgress = Callable[[ProgressEvent], None]


def announce(on_progress: OnProgress | None, event: ProgressEvent) -> None:
    """Tell ``on_progress``, where there is one, about ``event``."""
    if on_progress is not None:
        on_progress(event)
