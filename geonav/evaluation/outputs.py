"""What is computed from a run's records and written beside them: scores, poses, maps, the report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from geonav.config import GeonavConfig
from geonav.data.database import Database
from geonav.data.files import read_json_object
from geonav.errors import DatabaseError
from geonav.evaluation import provenance
from geonav.evaluation.record import QueryScore
from geonav.evaluation.run_folder import SUMMARY_FILE, Run, write_scores
from geonav.formats.geojson import write_geojson
from geonav.formats.kml import write_kml
from geonav.formats.ltvl import write_ltvl

POSES_FILE = "poses.txt"
TRUTH_FILE = "truth.txt"
Pose = tuple[str, NDArray[np.float64]]


def write_outputs(run: Run, scores: Sequence[QueryScore], summary: dict[str, Any]) -> None:
    """Write everything that follows from a run; what was there is replaced.

    Besides scores and summary: ``poses.txt``, the poses found, and ``truth.txt``, the true ones, in the long-term
    benchmark's format and the references' frame; ``results.geojson`` and ``results.kml``; ``report.html``.

    Raises:
        StorageError: the disk does not take them.
    """
    write_scores(run.folder, scores, summary)
    pairs = list(zip(run.records, run.results, strict=True))
    asked = [(record, result) for record, result in pairs if not record.is_distractor]
    write_ltvl(run.folder / POSES_FILE, _posed((record.name, result.E) for record, result in asked))
    truths = ((record.name, record.truth.E if record.truth else None) for record, _ in asked)
    write_ltvl(run.folder / TRUTH_FILE, _posed(truths))
    write_geojson(run.folder / "results.geojson", run.results)
    write_kml(run.folder / "results.kml", run.results, run.info.name)
    from geonav.evaluation.report.run_report import write_run_report

    write_run_report(run, scores, summary, run.folder / "report.html", references_of(run))


def references_of(run: Run) -> Database | None:
    """The database of a run's references; None where it is no longer there."""
    try:
        return Database.open(Path(run.info.reference_set))
    except DatabaseError:
        return None


def changed_since(run: Run, references: Database) -> bool:
    """Whether the references' features or index are others than those of a run."""
    try:
        config = GeonavConfig.model_validate(run.info.config)
    except ValidationError:
        return False  # settings of another version: nothing can be said
    return bool(run.info.stamps) and run.info.stamps != provenance.stamps(references, config)


def known_leaks(folder: Path) -> dict[str, Any]:
    """The leaks that were found while the references were there; nothing where none were looked for."""
    try:
        leaks = read_json_object(folder / SUMMARY_FILE).get("leaks")
    except DatabaseError:
        return {}
    return {**leaks, "dropped": False} if isinstance(leaks, dict) and leaks else {}


def _posed(poses: Iterable[tuple[str, object]]) -> list[Pose]:
    return [(_one_word(name), np.asarray(pose, float)) for name, pose in poses if pose is not None]


def _one_word(name: str) -> str:
    """A pose file parts its fields by blanks and its comments by #: in names they stand as in an address (%20)."""
    return "".join(quote(letter) if letter.isspace() or letter in "#%" else letter for letter in name)
