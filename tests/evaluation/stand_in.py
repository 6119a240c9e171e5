"""Locates by the name of the photo: a stand-in for the localizer, so that every byte of a run can be told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from geonav.config import GeonavConfig
from geonav.data.database import Database
from geonav.data.results import LocalizationResult
from geonav.errors import ImageError
from geonav.evaluation.experiment import Experiment, evaluate
from geonav.pipeline.hits import Retrieved
from geonav.pipeline.view_matches import ViewMatches
from tests.evaluation.report.made import located, matches

# Metres east, and how far to the east of that the stand-in finds them; None is refused.
PLACES = {"q0": (1.0, 0.1), "q1": (2.0, 0.3), "q2": (3.0, None), "q3": (4.0, 9.0), "q4 #5": (5.0, 0.05)}


class StandIn:
    """Answers by the name of the photo; ``asked`` counts, and ``stop_at`` plays the kill."""

    asked: list[str]
    stop_at: int | None
    unreadable: str | None

    def __init__(self, references: Database, config: GeonavConfig) -> None:
        self.database, self.config = references, config
        self.settings: dict[str, Any] = {"local": {"weights_sha256": "ab12"}}

    def locate(
        self,
        path: Path,
        *,
        on_retrieved: Callable[[Retrieved], None],
        on_matched: Callable[[list[ViewMatches]], None],
        **_: object,
    ) -> LocalizationResult:
        if StandIn.stop_at == len(StandIn.asked):
            raise KeyboardInterrupt
        name = path.parent.name if path.name != "far.jpg" else "far"
        StandIn.asked.append(name)
        if name in {"far", StandIn.unreadable}:
            msg = f"{path} cannot be decoded: replace it"
            raise ImageError(msg)
        east, off = PLACES[name]
        on_retrieved(Retrieved())
        on_matched([matches("r", 30)])
        if off is None:
            return LocalizationResult(query=str(path), status="not_located", reason="too few", seconds={"pose": 0.1})
        return located(str(path), east + off, 0.0)


def run(references: Database, out: str = "out", config: GeonavConfig | None = None, name: str = "night") -> Path:
    root = references.path.parent
    experiment = Experiment(name, [root / "elsewhere"])
    evaluate(root / "queries", references, config, experiment=experiment, output=root / out)
    return root / out
