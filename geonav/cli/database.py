"""``geonav database``: what is in a database, whether it is whole, and copies of it elsewhere."""

from __future__ import annotations

from typing import Annotated

import typer

from geonav.cli import fetch_output, output, syncing
from geonav.cli.options import DatabaseOption, JsonOption
from geonav.cli.progress import progress_bars
from geonav.cli.session import Session, open_database

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Look at a database, check and repair it; copy it to and from object storage.",
)
app.command("push")(syncing.push)
app.command("pull")(syncing.pull)

RepairOption = Annotated[
    bool, typer.Option("--repair", help="repair what can be repaired [default: off]", show_default=False)
]


@app.command("info")
def info(context: typer.Context, database: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """Say how many photos there are, where, what is indexed, and what was fetched at what cost."""
    from geonav.pipeline.check import describe
    from geonav.pipeline.coverage import coverage

    config = Session.of(context).config({"database": database})
    opened = open_database(config)
    fetched = coverage(opened, config)
    known = output.plain(describe(opened))
    if fetched is not None and as_json:
        known["fetched"] = output.plain(fetched)
    output.write_info(known, as_json=as_json)
    if fetched is not None and not as_json:
        fetch_output.write_coverage(fetched)


@app.command("check")
def check(
    context: typer.Context, database: DatabaseOption = None, repair: RepairOption = False, as_json: JsonOption = False
) -> None:
    """Find what is broken or half done; exit code 6 if anything stays so."""
    from geonav.pipeline.check import check_database

    session = Session.of(context)
    config = session.config({"database": database})
    with progress_bars(session) as on_progress:
        report = check_database(open_database(config), repair=repair, on_progress=on_progress)
    output.write_check(report, as_json=as_json)
