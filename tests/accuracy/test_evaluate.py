"""Both photo scenes through ``evaluate``, the photos of the other being those from elsewhere (``make test-slow``)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from geonav.data.results import LocalizationResult
from geonav.evaluation.experiment import EvaluationReport, Experiment, evaluate
from geonav.evaluation.record import QueryScore
from geonav.pipeline.importing import ColmapImport, import_colmap
from tests.accuracy.shared_photos import CASTLE, HERZ_JESU, Scene, indexed, needs_photos
from tests.evaluation.ltvl_score import score

pytestmark = [needs_photos, pytest.mark.slow]
OTHER = {CASTLE: HERZ_JESU, HERZ_JESU: CASTLE}


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, EvaluationReport]:
    """Even photos are references, odd ones queries, and from elsewhere for the other scene."""
    folder = tmp_path_factory.mktemp("evaluated")
    for name in OTHER:
        scene = Scene(name)
        names = tuple(Path(image["image"]).name for image in scene.rest(2))
        odd = ColmapImport(images=scene.root / "images", origin=scene.origin, include=names)
        import_colmap(folder / f"{name}-queries", scene.root / "colmap", odd)
    return {
        name: evaluate(
            folder / f"{name}-queries",
            indexed(folder, ((Scene(name), 2),)),
            experiment=Experiment(name, [folder / f"{other}-queries"]),
            output=folder / "runs" / name,
        )
        for name, other in OTHER.items()
    }


def test_nothing_from_elsewhere_is_answered_and_ellipses_hold_the_truth(reports: dict[str, EvaluationReport]) -> None:
    photos: list[QueryScore] = [photo for report in reports.values() for photo in report.photos]
    asked = [photo for photo in photos if not photo.is_distractor]
    assert (len(asked), len(photos) - len(asked)) == (27, 27)
    assert not [photo.name for photo in photos if photo.failure]
    assert 0.85 <= np.mean([photo.in_ellipse for photo in asked]) <= 1.0
    errors, majors = ([getattr(p, name) for p in asked] for name in ("horizontal_error_m", "semi_major_m"))
    assert np.median(majors) <= 4 * np.median(errors)


def test_the_pose_file_of_castle_says_what_the_run_says(reports: dict[str, EvaluationReport]) -> None:
    report = reports[CASTLE]
    assert report.folder is not None
    metres, degrees, shares = score(report.folder / "poses.txt", report.folder / "truth.txt")
    assert np.median(list(metres.values())) == pytest.approx(report.summary["median_m"], abs=1e-6)
    assert np.median(list(degrees.values())) == pytest.approx(report.summary["median_deg"], abs=1e-5)
    wanted = [report.summary[f"within_{name}"] for name in ("0.25m_2deg", "0.5m_5deg", "5m_10deg")]
    assert shares == pytest.approx(wanted, abs=1e-4)


def test_everything_is_written(reports: dict[str, EvaluationReport]) -> None:
    for report in reports.values():
        folder = Path(str(report.folder))
        lines = (folder / "results.jsonl").read_text("utf-8").splitlines()
        assert len([LocalizationResult.model_validate_json(line) for line in lines]) == 27
        summary = json.loads((folder / "summary.json").read_text("utf-8"))
        assert {"trust", "open_set", "failures", "errors", "cumulative", "seconds", "leaks"} <= summary.keys()
        assert (folder / "report.html").stat().st_size < 30 * 2**20
