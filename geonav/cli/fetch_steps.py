"""What the commands of ``geonav fetch`` share: heights and pictures after each other, and plans without either."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from geonav.cli import fetch_output
from geonav.cli.progress import progress_bars
from geonav.cli.session import Session, database_path, open_database

if TYPE_CHECKING:
    from geonav.config import GeonavConfig
    from geonav.data.shards import Shard
    from geonav.pipeline.fetching import FetchOptions, FetchReport
    from geonav.pipeline.sampling import Sampling


def fetch_options(retry_failed: bool, refresh: bool, shard: Shard | None = None) -> FetchOptions:
    """What to ask for beside what was never asked for."""
    from geonav.pipeline.fetching import FetchOptions

    return FetchOptions(retry_failed=retry_failed, refresh=refresh, shard=shard)


def fetch_rest(context: typer.Context, config: GeonavConfig, options: FetchOptions, yes: bool) -> list[FetchReport]:
    """Heights where some are missing, and pictures; one question for both."""
    from geonav.pipeline.fetching import fetch_elevation, fetch_panoramas
    from geonav.pipeline.fetching.planning import plan_fetch

    opened, for_heights = open_database(config), fetch_options(options.retry_failed, False, options.shard)
    plan = plan_fetch(opened, config, heights=for_heights, pictures=options)
    fetch_output.approve(plan, config, yes=yes, shard=options.shard)
    reports = []
    with progress_bars(Session.of(context)) as on_progress:
        if plan.height_calls:
            reports.append(fetch_elevation(opened, config, on_progress, for_heights, provider=plan.provider))
            config = _less(config, reports[0].cost_usd)
        reports.append(fetch_panoramas(opened, config, on_progress, options))
    return reports


def _less(config: GeonavConfig, spent_usd: float) -> GeonavConfig:
    """``config`` with what is left of ``--max-cost`` after ``spent_usd``."""
    limit = config.fetch.max_cost_usd
    if limit is None:
        return config
    return config.model_copy(
        update={"fetch": config.fetch.model_copy(update={"max_cost_usd": max(limit - spent_usd, 0.0)})}
    )


def write_plan(config: GeonavConfig, retry_failed: bool, refresh: bool, as_json: bool) -> None:
    """What fetching heights and pictures would take."""
    from geonav.pipeline.fetching.planning import plan_fetch

    heights, pictures = fetch_options(retry_failed, False), fetch_options(retry_failed, refresh)
    plan = plan_fetch(open_database(config), config, heights=heights, pictures=pictures)
    fetch_output.write_plan(plan, at_most=False, as_json=as_json)


def write_area_plan(
    sampling: Sampling, config: GeonavConfig, metadata: FetchOptions, pictures: FetchOptions | None, as_json: bool
) -> None:
    """What fetching an area would take."""
    from geonav.pipeline.fetching.area import plan_area

    for_pictures = fetch_options(False, False) if pictures is None else pictures
    plan = plan_area(database_path(config), sampling, config, metadata=metadata, pictures=for_pictures)
    fetch_output.write_plan(plan, at_most=plan.unknown > 0 or plan.panoramas is None, as_json=as_json)
