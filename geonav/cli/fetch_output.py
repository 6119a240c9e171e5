"""What ``geonav fetch`` prints, and its question before paid calls."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from geonav.cli import output
from geonav.errors import PartialError, UsageError

if TYPE_CHECKING:
    from geonav.config import GeonavConfig
    from geonav.pipeline.fetching import FetchReport
    from geonav.pipeline.fetching.planning import FetchPlan

_SHOWN_FAILURES = 20


def write_plan(plan: FetchPlan, *, at_most: bool, as_json: bool) -> None:
    """What a dry run found; ``at_most`` where panoramas are not known yet."""
    if as_json:
        known = {**output.plain(plan), "cost_usd": plan.cost_usd, "is_upper_bound": at_most}
        output.write_json(known)
        return
    if plan.panoramas is None:
        typer.echo("how many panoramas there are is known after 'geonav fetch metadata'; nothing was fetched")
        return
    most = "at most " if at_most else ""
    typer.echo(f"{most}{plan.panoramas:,} panoramas; to be fetched: {most}{plan.views:,} views")
    typer.echo(f"calls: {most}{plan.height_calls:,} for heights, {most}{plan.picture_calls:,} for pictures")
    for item in plan.estimates:
        typer.echo(f"{most}{item.text}")
    typer.echo(f"cost: {most}USD {plan.cost_usd:,.2f}; nothing was fetched")


def approve(plan: FetchPlan, config: GeonavConfig, *, yes: bool) -> None:
    """Ask before paid calls.

    Raises:
        UsageError: they cost more than is allowed, nobody can be asked, or the answer is no.
    """
    from geonav.pipeline.fetching.target import check_max_cost

    if not plan.estimates:
        return
    check_max_cost(plan.cost_usd, config)
    for item in plan.estimates:
        typer.echo(item.text, err=True)
    if yes:
        return
    if not sys.stdin.isatty():
        msg = f"paid calls of USD {plan.cost_usd:,.2f} need a yes, and there is no terminal to ask at: add --yes"
        raise UsageError(msg)
    if not typer.confirm(f"Spend up to USD {plan.cost_usd:,.2f}?", err=True):
        msg = "not confirmed, so nothing was paid for"
        raise UsageError(msg)


def write_reports(reports: Sequence[FetchReport], *, as_json: bool) -> None:
    """What the stages of a fetch did.

    Raises:
        PartialError: something could not be fetched.
    """
    if as_json:
        output.write_json(reports[0] if len(reports) == 1 else {"stages": reports})
    else:
        for report in reports:
            _write_report(report)
    failed = [(report.stage, *failure) for report in reports for failure in report.failed]
    if failed:
        stage, name, reason = failed[0]
        first = f"the first being {stage} of {name}: {reason}"
        msg = f"{len(failed)} could not be fetched, {first}; --retry-failed asks for them once more"
        raise PartialError(msg)


def _write_report(report: FetchReport) -> None:
    counts = ", ".join(f"{count:,} {state}" for state, count in sorted(report.counts.items())) or "nothing to do"
    paid = f", {report.paid_calls:,} paid calls, USD {report.cost_usd:,.2f}" if report.paid_calls else ""
    typer.echo(f"{report.stage} ({report.source}): {counts}; {report.done:,} calls of this run{paid}")
    for note in report.notes:
        typer.echo(f"  {note}")
    reasons = [*report.failed, *report.missing]
    for name, reason in reasons[:_SHOWN_FAILURES]:
        typer.echo(f"  {name}: {reason}")
    if len(reasons) > _SHOWN_FAILURES:
        typer.echo(f"  and {len(reasons) - _SHOWN_FAILURES:,} more; 'geonav database info' lists all")
