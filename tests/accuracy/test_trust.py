"""Both real scenes, each with the other's photos as distractors, evaluated into run folders; `-s` prints the figures.

GEONAV_TEST_SCENES names a folder to keep databases and runs in; a test that was interrupted goes on from there.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from geonav.config import GeonavConfig
from geonav.data.database import Database
from geonav.evaluation.experiment import EvaluationReport, Experiment, evaluate
from geonav.evaluation.openset import open_set_summary
from geonav.evaluation.record import QueryScore
from geonav.evaluation.trust import trust_summary
from geonav.pipeline.importing import ColmapImport, import_colmap
from geonav.pipeline.index import index_global
from tests.accuracy.shared_photos import CASTLE, HERZ_JESU, Scene, import_references, needs_photos
from tests.evaluation.ltvl_score import score

pytestmark = [needs_photos, pytest.mark.slow]


def import_queries(path: Path, scene: Scene) -> None:
    """The odd-numbered photos with their poses."""
    names = tuple(Path(image["image"]).name for image in scene.rest(2))
    options = ColmapImport(images=scene.root / "images", origin=scene.origin, include=names)
    import_colmap(path, scene.root / "colmap", options)


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Sequence[EvaluationReport]:
    kept = os.environ.get("GEONAV_TEST_SCENES")
    folder = Path(kept) if kept else tmp_path_factory.mktemp("scenes")
    names = (CASTLE, HERZ_JESU)
    for name in names:
        if not (folder / name).exists():
            import_references(folder / name, Scene(name), 2)
        if not (folder / f"{name}-queries").exists():
            import_queries(folder / f"{name}-queries", Scene(name))
        index_global(Database.open(folder / name), GeonavConfig())
    return [
        evaluate(
            folder / f"{name}-queries",
            Database.open(folder / name),
            experiment=Experiment(name, [folder / f"{other}-queries"]),
            output=folder / "runs" / name,
        )
        for name, other in zip(names, reversed(names), strict=True)
    ]


@pytest.fixture(scope="module")
def scores(reports: Sequence[EvaluationReport]) -> list[QueryScore]:
    return [score for report in reports for score in report.photos]


def test_no_photo_of_the_other_scene_is_answered(scores: list[QueryScore]) -> None:
    found = open_set_summary(scores)
    assert (found["num_queries"], found["num_distractors"]) == (27, 27)
    assert found["num_false_accepts"] == 0


def test_ellipses_hold_the_truth_and_are_no_larger_than_need_be(
    scores: list[QueryScore], capsys: pytest.CaptureFixture[str]
) -> None:
    found = trust_summary(scores)
    with capsys.disabled():
        for name, value in found.items():
            sys.stdout.write(f"\n{name}: {value}")
    assert found["num_located"] == 27
    assert 0.85 <= found["ellipse_coverage"]["value"] <= 1.0
    assert found["semi_major_over_error"] <= 4.0


def test_every_item_is_in_the_summary_and_the_folder(reports: Sequence[EvaluationReport]) -> None:
    files = {
        "run.json", "queries.jsonl", "results.jsonl", "scores.jsonl", "scores.csv", "summary.json", "poses.txt",
        "results.geojson", "results.kml", "report.html",
    }  # fmt: skip
    for report in reports:
        assert report.folder is not None
        assert files <= {path.name for path in report.folder.iterdir()}
        assert report.summary["recall_at_1"] is not None
        for name in ("failures", "errors", "cumulative", "trust", "open_set", "seconds", "leaks", "intervals_95"):
            assert report.summary[name], name


def test_an_independent_scorer_gets_the_same_numbers_from_the_pose_files(reports: Sequence[EvaluationReport]) -> None:
    for report in reports:
        assert report.folder is not None
        metres, degrees, shares = score(report.folder / "poses.txt", report.folder / "truth.txt")
        assert np.median(list(metres.values())) == pytest.approx(report.summary["median_m"], abs=1e-6)
        assert np.median(list(degrees.values())) == pytest.approx(report.summary["median_deg"], abs=1e-5)
        wanted = [report.summary[f"within_{name}"] for name in ("0.25m_2deg", "0.5m_5deg", "5m_10deg")]
        assert shares == pytest.approx(wanted, abs=1e-4)
