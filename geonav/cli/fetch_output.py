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
    from geonav.data.shards import Shard
    from geonav.pipeline.coverage import Coverage
    from geonav.pipeline.fetching import FetchReport
    from geonav.pipeline.fetching.planning import FetchPlan

_SHOWN_FAILURES = 20


def write_plan(plan: FetchPlan, *, at_most: bool, as_json: bool) -> None:
    """What a dry run found; ``at_most`` where panoramas are not known yet."""
    if as_json:
        known = {**output.plain(plan), "cost_usd": plan.cost_usd, "is_upper_bound": at_most}
        output.write_json(known)
        return
    if plan.metadata_calls is not None:
        calls, there = output.counted(plan.metadata_calls, "call"), output.counted(plan.known, "panorama")
        typer.echo(f"metadata: {calls}, {plan.answered:,} answered before; {there} known")
    if plan.panoramas is None:
        typer.echo("how many panoramas there are is known after 'geonav fetch metadata'; nothing was fetched")
        return
    most = "at most " if at_most else ""
    typer.echo(f"{most}{plan.panoramas:,} panoramas; to be fetched: {most}{plan.views:,} views")
    typer.echo(f"calls: {most}{plan.height_calls:,} for heights, {most}{plan.picture_calls:,} for pictures")
    for item in plan.estimates:
        typer.echo(f"{most}{item.text}")
    typer.echo(f"cost: {most}USD {plan.cost_usd:,.2f}; nothing was fetched")


def approve(plan: FetchPlan, config: GeonavConfig, *, yes: bool, shard: Shard | None = None) -> None:
    """Ask before paid calls; the plan is of all shares together.

    Raises:
        UsageError: they cost more than is allowed, nobody can be asked, or the answer is no.
    """
    from geonav.pipeline.fetching.target import check_max_cost

    if not plan.estimates:
        return
    if shard is not None:
        if plan.cost_usd > 0.0 and not yes:
            msg = f"all shares together take paid calls of up to USD {plan.cost_usd:,.2f}, which --shard does not ask"
            msg += " about: see --dry-run, and add --yes"
            raise UsageError(msg)
        return  # what a share may cost is checked when it is known
    check_max_cost(plan.cost_usd, config)
    for item in plan.estimates:
        typer.echo(item.text, err=True)
    # What nothing costs needs no answer.
    if yes or plan.cost_usd <= 0.0:
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
    counts = _counts(report.counts) or "nothing to do"
    paid = f", {report.paid_calls:,} paid calls, USD {report.cost_usd:,.2f}" if report.paid_calls else ""
    typer.echo(f"{report.stage} ({report.source}): {counts}; {report.done:,} calls of this run{paid}")
    for note in report.notes:
        typer.echo(f"  {note}")
    reasons = [*report.failed, *report.missing]
    for name, reason in reasons[:_SHOWN_FAILURES]:
        typer.echo(f"  {name}: {reason}")
    if len(reasons) > _SHOWN_FAILURES:
        typer.echo(f"  and {len(reasons) - _SHOWN_FAILURES:,} more; 'geonav database info' lists all")


def write_coverage(coverage: Coverage) -> None:
    """What was fetched of each provider, what it cost, and every failure with its reason."""
    states = {name: getattr(coverage, name) for name in ("queries", "panoramas", "heights", "views")}
    for provider in sorted({provider for counts in states.values() for provider in counts}):
        parts = [f"{name} {_counts(counts[provider])}" for name, counts in states.items() if counts.get(provider)]
        if provider in coverage.captured:
            parts.append(f"captured {' to '.join(coverage.captured[provider])}")
        typer.echo(f"fetched of {provider}: {'; '.join(parts)}")
    for spend in coverage.spend:
        typer.echo(
            f"spent in {spend.month}: {spend.calls:,} calls ({spend.sku}), USD {spend.cost_usd:,.2f}"
            f" (prices of {spend.prices_as_of})"
        )
    for name, reason in coverage.failures:
        typer.echo(f"failed: {name}: {reason}")


def _counts(states: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {state}" for state, count in sorted(states.items()))
