"""``geonav evaluate compare``: two runs side by side; ``geonav evaluate threshold``: what a run says of acceptance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from geonav.cli.options import JsonOption, setting
from geonav.cli.output import counted, write_json, write_table
from geonav.cli.session import Session
from geonav.errors import InputError, UsageError

if TYPE_CHECKING:
    from geonav.evaluation.compare import Comparison, Difference
    from geonav.evaluation.threshold import Derived, Operating

_NAMES_SHOWN = 5
_ROWS_SHOWN = 20
RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="folder of a run", show_default=False)]
RecallWithinOption = Annotated[float | None, setting("search.recall_within_m", "--recall-within", metavar="METRES")]
ThresholdOption = Annotated[
    list[str] | None,
    typer.Option(
        "--threshold",
        metavar="METRES,DEG",
        help="compare shares within these; repeatable [default: 0.25,2 0.5,5 5,10]",
        show_default=False,
    ),
]
HtmlOption = Annotated[
    Path | None,
    typer.Option("--html", metavar="FILE", help="write a page of it [default: none]", show_default=False),
]
MaxFalseAcceptsOption = Annotated[
    float,
    typer.Option("--max-false-accepts", min=0.0, max=1.0, metavar="SHARE", help="of distractors that may be answered"),
]


def compare(
    context: typer.Context,
    a: RunArgument,
    b: RunArgument,
    recall_within: RecallWithinOption = None,
    threshold: ThresholdOption = None,
    html: HtmlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare two runs over the same queries: paired tests, 95 % intervals, which queries changed and why."""
    from geonav.evaluation.compare import compare_runs
    from geonav.evaluation.metrics import THRESHOLDS
    from geonav.evaluation.run_folder import read_run

    if html is not None and (html.is_dir() or not html.absolute().parent.is_dir()):
        msg = f"--html {html} is a folder, or is in none: name a file in a folder that exists"
        raise InputError(msg)
    wanted = thresholds_of(threshold) or THRESHOLDS
    found = compare_runs(read_run(a), read_run(b), _radius(context, recall_within), wanted)
    if html is not None:
        from geonav.evaluation.compare_page import write_comparison

        write_comparison(html, found)
    if as_json:
        write_json(found)
    else:
        _write_comparison(found)


def threshold_of(
    context: typer.Context,
    run: RunArgument,
    max_false_accepts: MaxFalseAcceptsOption = 0.01,
    recall_within: RecallWithinOption = None,
    as_json: JsonOption = False,
) -> None:
    """Derive the number of agreeing keypoints that a pose needs from a run with --distractors."""
    from geonav.evaluation.run_folder import read_run
    from geonav.evaluation.scoring import score_run
    from geonav.evaluation.threshold import derive_threshold

    read = read_run(run)
    scores = score_run(read, _radius(context, recall_within) or read.recall_within_m)
    found = derive_threshold(scores, max_false_accepts, read.min_inliers)
    if as_json:
        write_json(found)
    else:
        _write_threshold(found)


def _radius(context: typer.Context, recall_within: float | None) -> float | None:
    """``--recall-within``, checked as the setting is; None where it was not given: each run has its own."""
    if recall_within is None:
        return None
    return Session.of(context).config({"search": {"recall_within_m": recall_within}}).search.recall_within_m


def thresholds_of(texts: Sequence[str] | None) -> tuple[tuple[float, float], ...]:
    """Metres and degrees out of ``0.25,2``.

    Raises:
        UsageError: one is not that, or counts nothing.
    """
    found = []
    for text in texts or ():
        try:
            metres, degrees = (float(part) for part in text.split(","))
        except ValueError as error:
            msg = f"--threshold '{text}' is not metres and degrees: write it as 0.25,2"
            raise UsageError(msg) from error
        if not (0 < metres < math.inf and 0 < degrees <= 180):
            msg = f"--threshold '{text}' counts nothing: metres must be above 0, degrees above 0 and up to 180"
            raise UsageError(msg)
        found.append((metres, degrees))
    return tuple(found)


def _write_comparison(found: Comparison) -> None:
    typer.echo(f"a: {found.a}\nb: {found.b}\n{counted(found.num_pairs, 'photo')} in both\n")
    columns = ["figure", ">num", ">a", ">b", ">b - a", ">95 % from", ">to", ">only a", ">only b", ">p"]
    write_table(columns, [_row(difference) for difference in found.differences])
    for run, names in ((found.a, found.only_in_a), (found.b, found.only_in_b)):
        if names:
            more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
            typer.echo(f"\nonly in {run}: {', '.join(names[:_NAMES_SHOWN])}{more}")
    typer.echo(f"\n{counted(len(found.changes), 'photo')} ended otherwise")
    if found.changes:
        sign = {True: "+", False: "-", None: ""}
        write_table(
            ["", "photo", "a", "b", "why in a", "why in b"],
            [
                (sign[each.is_better], each.name, each.before, each.after, each.why_before, each.why_after)
                for each in found.changes
            ],
        )


def _row(found: Difference) -> tuple[str, ...]:
    def said(value: float) -> str:
        return f"{value:.4g}" if found.only_a is None else f"{100 * value:.1f} %"

    counts = ["" if count is None else str(count) for count in (found.only_a, found.only_b)]
    figures = [said(value) for value in (found.a, found.b, found.difference, found.low, found.high)]
    return (found.what, str(found.num), *figures, *counts, "" if found.p is None else f"{found.p:.2g}")


def _write_threshold(found: Derived) -> None:
    write_table(
        [">min inliers", ">answered", ">false accepts", ">wrong answers"],
        [
            (
                f"{point.min_inliers}{' <' if point is found.chosen else ''}",
                f"{100 * point.answered:.1f} %",
                f"{100 * point.false_accepts:.1f} %",
                f"{100 * point.wrong:.1f} %",
            )
            for point in _worth_showing(found)
        ],
    )
    typer.echo(
        f"\n{found.num_queries} queries, {found.num_distractors} distractors; at {found.min_inliers} the true share "
        f"of false accepts is at most {100 * found.false_accepts_at_most:.1f} % (95 %)"
    )
    if found.is_bounded_by_run:
        typer.echo(
            f"the run itself refused poses of fewer than {found.accepted_from} keypoints: run with "
            "localize.min_inliers = 6 to see whether fewer would do"
        )
    typer.echo(f"\n{found.toml}")


def _worth_showing(found: Derived) -> list[Operating]:
    """The chosen point and those around it; of a long curve, those where false accepts change."""
    shown = []
    for before, point in zip((None, *found.curve), found.curve, strict=False):
        changes = before is None or (before.false_accepts, before.wrong) != (point.false_accepts, point.wrong)
        if changes or point is found.chosen or len(found.curve) <= _ROWS_SHOWN:
            shown.append(point)
    return shown
