"""What ``geonav evaluate`` prints: every photo, then the figures with their intervals."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import typer

from geonav.cli.output import number, write_json, write_remarks, write_table
from geonav.errors import NotLocatedError

if TYPE_CHECKING:
    from geonav.evaluation.experiment import EvaluationReport

# Of many photos the table would only push the figures out of sight; it is in scores.csv.
_MOST_ROWS = 200


def write_evaluation(report: EvaluationReport, *, as_json: bool) -> None:
    """The errors of every photo, then what they come to.

    Raises:
        NotLocatedError: no photo was located, so that there are no errors to speak of.
    """
    if as_json:
        write_json(report)
    else:
        _write_photos(report)
        _write_figures(report.summary)
        _write_groups(report.summary.get("groups", {}))
        if report.folder is not None:
            typer.echo(f"report: {report.folder / 'report.html'}")
    if not report.photos:
        msg = "the run holds no finished query: go on with it by the command that began it"
        raise NotLocatedError(msg)
    if not report.summary["num_located"]:
        msg = f"none of the {len(report.photos)} photos was located; each says why"
        raise NotLocatedError(msg)


def _write_photos(report: EvaluationReport) -> None:
    if len(report.photos) > _MOST_ROWS:
        return
    inside = {True: "yes", False: "no", None: ""}
    rows = [
        (
            photo.name,
            photo.failure or photo.status,
            number(_first(photo.position_error_m, photo.horizontal_error_m), 4),
            number(_first(photo.rotation_error_deg, photo.azimuth_error_deg), 4),
            number(photo.semi_major_m, 4),
            inside[photo.in_ellipse],
            number(photo.seconds, 2),
        )
        for photo in report.photos
    ]
    write_table(["photo", "outcome", ">error m", ">error deg", ">±m 95%", "inside", ">seconds"], rows)
    typer.echo()
    write_remarks([(photo.name, photo.reason) for photo in report.photos if photo.reason])


def _first(*values: float | None) -> float | None:
    return next((value for value in values if value is not None), None)


def _write_figures(summary: dict[str, Any]) -> None:
    intervals = {**summary.get("intervals_95", {}), **summary.get("recall_intervals_95", {})}
    for name, value in summary.items():
        if isinstance(value, dict):
            _write_nested(name, value)
            continue
        interval = intervals.get(name)
        within = f" (95 %: {interval[0]:g} to {interval[1]:g})" if interval else ""
        typer.echo(f"{name}: {value if isinstance(value, str) else json.dumps(value)}{within}")


def _write_nested(name: str, values: dict[str, Any]) -> None:
    """Failures and seconds in a line each; what is long stands in summary.json, of trust and open set the numbers."""
    if name == "failures":
        typer.echo("failures: " + ", ".join(f"{kind} {count}" for kind, count in values.items()))
    elif name == "seconds":
        for stage, taken in values.items():
            typer.echo(f"seconds {stage}: median {taken['median']:.3f}, p95 {taken['p95']:.3f}")
    elif name == "leaks" and values.get("num_leaking"):
        kinds = ", ".join(f"{kind} {count}" for kind, count in values["by_kind"].items() if count)
        dropped = ", dropped" if values["dropped"] else ""
        typer.echo(f"leaks: {values['num_leaking']} of {values['num_queries']} photos ({kinds}){dropped}")
    elif name == "num_values_of_ungrouped":
        for column, count in values.items():
            typer.echo(f"not grouped by {column}: it has {count} values")
    elif name in {"trust", "open_set"}:
        for key, value in values.items():
            if isinstance(value, int | float):
                typer.echo(f"{name} {key}: {value:g}")


def _write_groups(groups: dict[str, Any]) -> None:
    for column, found in groups.items():
        typer.echo()
        rows = [
            (value, str(of["num_queries"]), str(of["num_located"]), number(of["median_m"], 4),
             number(of["median_deg"], 4), number(of["within_0.25m_2deg"], 3), number(of["within_5m_10deg"], 3))
            for value, of in found.items()
        ]  # fmt: skip
        columns = [">queries", ">located", ">median m", ">median deg", ">0.25 m 2 deg", ">5 m 10 deg"]
        write_table([column, *columns], rows)
