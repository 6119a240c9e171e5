"""``geonav evaluate``: what is printed and how it ends, with an evaluation that only plays one."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from geonav.data.database import Database
from geonav.geometry.geodesy import GeoPoint
from tests.cli.conftest import Run


@dataclass(frozen=True)
class Photo:
    """As PhotoEvaluation."""

    query: str
    status: str = "located"
    reason: str | None = None
    position_error_m: float | None = 0.0123
    rotation_error_deg: float | None = 0.04
    semi_major_m: float | None = 0.031
    in_ellipse: bool | None = True
    seconds: float = 1.5


@dataclass(frozen=True)
class Report:
    """As EvaluationReport."""

    name: str
    photos: tuple[Photo, ...]
    summary: dict[str, Any] = field(default_factory=dict)


LOST = Photo("0003", "not_located", "too few matches", None, None, None, None)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[dict[str, Any]]:
    """An evaluation that finds 0001 and loses 0003 unless the query set is called lost."""
    made: list[dict[str, Any]] = []

    def evaluate(query_set: Path, references: Database, config: object, **options: object) -> Report:
        made.append({"query_set": query_set, "references": references.path, "config": config, **options})
        photos = (LOST,) if query_set.name == "lost" else (Photo("0001"), LOST)
        return Report(str(options["name"]), photos, {"num_located": len(photos) - 1, "median_m": 0.0123})

    module = ModuleType("geonav.pipeline.evaluate")
    module.evaluate = evaluate  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "geonav.pipeline.evaluate", module)
    Database.create(tmp_path / "references", GeoPoint(48.9, 8.4, 130))
    return made


def test_the_table_shows_errors_and_reasons(calls: list[dict[str, Any]], run: Run) -> None:
    ended = run("evaluate", "--query_set", "queries", "--reference_set", "references")
    assert (ended.code, ended.err) == (0, "")
    table, below = ended.out.split("\n\n")
    assert table.splitlines()[2].split() == ["0001", "located", "0.0123", "0.0400", "0.0310", "yes", "1.50"]
    assert below == "0003: too few matches\nnum_located: 1\nmedian_m: 0.0123\n"


def test_json_is_the_whole_report(calls: list[dict[str, Any]], run: Run) -> None:
    ended = run("evaluate", "--query-set", "queries", "--reference-set", "references", "--exp-name", "mine", "--json")
    report = json.loads(ended.out)
    assert report["name"] == "mine"
    assert [photo["query"] for photo in report["photos"]] == ["0001", "0003"]


@pytest.mark.parametrize("form", [[], ["--json"]], ids=str)
def test_none_located_is_exit_code_7(form: list[str], calls: list[dict[str, Any]], run: Run) -> None:
    ended = run("evaluate", "--query-set", "lost", "--reference-set", "references", *form)
    assert (ended.code, ended.err) == (7, "error: none of the 1 photos was located; each says why\n")
    assert "too few matches" in ended.out


def test_options_reach_the_evaluation(calls: list[dict[str, Any]], run: Run) -> None:
    Path("experiment.toml").write_text("[localize]\nmin_inliers = 12\n")
    run(
        "evaluate", "--query-set", "queries", "--reference-set", "references", "--conf", "experiment.toml",
        "--top-k", "3", "--seed", "5", "--device", "cpu", "--model", "xfeat", "--output", "out",
    )  # fmt: skip
    call = calls[0]
    assert (call["query_set"], call["references"], call["output"]) == (Path("queries"), Path("references"), Path("out"))
    config = call["config"]
    assert (config.localize.min_inliers, config.localize.top_k, config.seed) == (12, 3, 5)
    assert (config.device, config.local.model) == ("cpu", "xfeat")
