"""``geonav evaluate sweep``: every combination of some settings, and a table of what each gives."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from geonav.cli.options import JsonOption
from geonav.cli.output import number, write_json, write_remarks, write_table
from geonav.cli.progress import progress_bars
from geonav.cli.session import Session
from geonav.errors import PartialError

if TYPE_CHECKING:
    from geonav.evaluation.sweep import Row, SweepReport

_FIGURES = (
    (">located", "", "located", 3),
    (">median m", "", "median_m", 4),
    (">median deg", "", "median_deg", 4),
    (">0.25 m 2 deg", "", "within_0.25m_2deg", 3),
    (">5 m 10 deg", "", "within_5m_10deg", 3),
    (">recall@1", "", "recall_at_1", 3),
    (">in ellipse", "", "in_ellipse_95", 3),
    (">false accepts", "open_set", "num_false_accepts", 0),
    (">seconds", "", "median_seconds", 2),
)
SweepFileOption = Annotated[Path, typer.Option("--conf", metavar="FILE", help="the sweep, as TOML", show_default=False)]
SweepOutputOption = Annotated[
    Path | None,
    typer.Option(
        "--output",
        metavar="DIR",
        help="folder of the runs and sweep.csv [default: as FILE says, else runs/ and its name]",
        show_default=False,
    ),
]


def sweep(
    context: typer.Context, conf: SweepFileOption, output: SweepOutputOption = None, as_json: JsonOption = False
) -> None:
    """Evaluate every combination of some settings; run it again after an interruption to go on.

    Exit code 6 if a combination failed; the others are run all the same.
    """
    from geonav.evaluation.sweep import run_sweep
    from geonav.evaluation.sweep_plan import read_plan

    session, plan = Session.of(context), read_plan(conf, output)
    with progress_bars(session) as on_progress:
        report = run_sweep(plan, config_path=session.config_path, on_progress=on_progress)
    if as_json:
        write_json(report)
    else:
        _write(report)
    failed = [row for row in report.rows if row.error]
    if failed:
        msg = f"{len(failed)} of {len(report.rows)} combinations failed, {failed[0].name}: {failed[0].error}"
        raise PartialError(msg)


def _write(report: SweepReport) -> None:
    axes = [name.rpartition(".")[2] for name in report.rows[0].values]
    shown = [figure for figure in _FIGURES if any(_figure(row.summary, figure) is not None for row in report.rows)]
    write_table(
        [*axes, *(column for column, *_ in shown)],
        [(*map(str, row.values.values()), *(_said(row, figure) for figure in shown)) for row in report.rows],
    )
    remarks = [(row.name, row.error) for row in report.rows if row.error]
    if remarks:
        typer.echo()
        write_remarks(remarks)
    typer.echo(f"\ntable: {report.table}")


def _said(row: Row, figure: tuple[str, str, str, int]) -> str:
    return number(_figure(row.summary, figure), figure[3])


def _figure(summary: Any, figure: tuple[str, str, str, int]) -> float | None:  # noqa: ANN401 - JSON
    _, section, name, _ = figure
    value = (summary.get(section, {}) if section else summary).get(name)
    return None if value is None else float(value)
