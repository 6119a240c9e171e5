"""``geonav database push`` and ``pull``: copies of a database in object storage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from geonav.cli import output
from geonav.cli.options import DatabaseOption, JsonOption, setting
from geonav.cli.progress import progress_bars
from geonav.cli.session import Session, database_path, open_database

if TYPE_CHECKING:
    from geonav.pipeline.syncing import PullReport, PushReport


def _switch(flag: str, text: str) -> Any:  # noqa: ANN401 - typer's own type
    return typer.Option(flag, help=f"{text} [default: off]", show_default=False)


RemoteArgument = Annotated[
    str, typer.Argument(metavar="REMOTE", help="s3://bucket/city, an address of another fsspec driver, or a folder")
]
EndpointOption = Annotated[str | None, setting("storage.endpoint_url", "--endpoint-url")]
RegionOption = Annotated[str | None, setting("storage.region", "--region")]
WorkersOption = Annotated[int | None, setting("storage.workers", "--workers")]
ChecksumOption = Annotated[bool, _switch("--checksum", "read every file, whatever its size and time of change say")]
DryRunOption = Annotated[bool, _switch("--dry-run", "only compare and say what would be done")]
RepairOption = Annotated[
    bool, _switch("--repair", "read all objects of the remote, replace what is damaged or missing")
]
PruneOption = Annotated[bool, _switch("--prune", "remove what was replaced more than storage.keep_days ago")]
ReplaceOption = Annotated[bool, _switch("--force", "also where the remote holds what this database never saw")]
DeleteOption = Annotated[bool, _switch("--delete", "remove files that the remote does not have")]
OverwriteOption = Annotated[bool, _switch("--force", "overwrite files that changed here and differ from the remote")]


def push(
    context: typer.Context,
    remote: RemoteArgument,
    database: DatabaseOption = None,
    endpoint_url: EndpointOption = None,
    region: RegionOption = None,
    workers: WorkersOption = None,
    checksum: ChecksumOption = False,
    repair: RepairOption = False,
    prune: PruneOption = False,
    force: ReplaceOption = False,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Copy a database to object storage; sends what is not there yet, resumes."""
    from geonav.pipeline.syncing import PushOptions, push_database

    session = Session.of(context)
    config = session.config({"database": database, "storage": _storage(endpoint_url, region, workers)})
    options = PushOptions(checksum=checksum, repair=repair, prune=prune, force=force, dry_run=dry_run)
    with progress_bars(session) as on_progress:
        report = push_database(open_database(config), remote, config, options, on_progress)
    if as_json:
        output.write_json(report)
    else:
        typer.echo(_pushed(report))


def pull(
    context: typer.Context,
    remote: RemoteArgument,
    database: DatabaseOption = None,
    endpoint_url: EndpointOption = None,
    region: RegionOption = None,
    workers: WorkersOption = None,
    checksum: ChecksumOption = False,
    delete: DeleteOption = False,
    force: OverwriteOption = False,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Copy a database from object storage; fetches what differs, resumes."""
    from geonav.pipeline.syncing import PullOptions, pull_database

    session = Session.of(context)
    config = session.config({"database": database, "storage": _storage(endpoint_url, region, workers)})
    options = PullOptions(checksum=checksum, delete=delete, force=force, dry_run=dry_run)
    with progress_bars(session) as on_progress:
        report = pull_database(database_path(config), remote, config, options, on_progress)
    if as_json:
        output.write_json(report)
    else:
        typer.echo(_pulled(report))


def _storage(endpoint_url: str | None, region: str | None, workers: int | None) -> dict[str, Any]:
    return {"endpoint_url": endpoint_url, "region": region, "workers": workers}


def _pushed(report: PushReport) -> str:
    sent = f"{output.counted(report.sent_files, 'file')}, {report.sent_bytes:,} bytes"
    if report.is_dry_run:
        return f"{report.remote}: would send at most {sent}; {report.gone:,} gone"
    parts = [f"generation {report.generation}", f"{sent} sent", f"{report.gone:,} gone", f"{report.files:,} there now"]
    parts += [f"{output.counted(report.damaged, 'damaged object')} replaced"] if report.damaged else []
    parts += [f"{output.counted(report.pruned, 'object')} pruned"] if report.pruned else []
    return f"{report.remote}: {', '.join(parts)}; {output.counted(report.requests, 'request')}"


def _pulled(report: PullReport) -> str:
    fetched = f"{output.counted(report.fetched_files, 'file')}, {report.fetched_bytes:,} bytes"
    if report.is_dry_run:
        return f"{report.remote}: would fetch {fetched}, remove {report.removed:,}; {report.only_here:,} only here"
    parts = [f"generation {report.generation}", f"{fetched} fetched", f"{report.removed:,} removed"]
    parts += [f"{report.only_here:,} only here"] if report.only_here else []
    return f"{report.remote}: {', '.join(parts)}; {output.counted(report.requests, 'request')}"
