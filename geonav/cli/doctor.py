"""``geonav doctor``: what would keep this machine from working, and what to do about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from geonav.cli import output
from geonav.cli.options import JsonOption
from geonav.cli.session import Session
from geonav.errors import GeonavError

if TYPE_CHECKING:
    from geonav.pipeline.doctor import Check

OnlineOption = Annotated[
    bool,
    typer.Option(
        "--online",
        help="also call each configured service once, free calls only [default: off]",
        show_default=False,
    ),
]


def doctor(context: typer.Context, online: OnlineOption = False, as_json: JsonOption = False) -> None:
    """Check this machine, the configuration and, on request, the services; exit code 0 unless something fails."""
    from geonav.pipeline.doctor import examine

    session = Session.of(context)
    config = session.config({})
    checks = _shown(examine(config, session.config_path), as_json=as_json)
    if online:
        from geonav.pipeline.doctor_online import examine_online

        checks += _shown(examine_online(config), as_json=as_json)
    counts = Counter(check.state for check in checks)
    if as_json:
        output.write_json({"checks": checks, **{state: counts[state] for state in ("ok", "warn", "fail")}})
    else:
        typer.echo(f"{counts['ok']} ok, {counts['warn']} to look at, {counts['fail']} failed")
    _raise_for([check for check in checks if check.state == "fail"], len(checks))


def _shown(checks: Iterable[Check], *, as_json: bool) -> list[Check]:
    """The checks, each printed as soon as it is done."""
    done = []
    for check in checks:
        done.append(check)
        if not as_json:
            advice = f": {check.advice}" if check.advice else ""
            typer.echo(f"{check.state:<4}  {check.name}: {check.found}{advice}")
    return done


def _raise_for(failures: list[Check], count: int) -> None:
    if not failures:
        return
    first = failures[0]
    error = DoctorError(f"{len(failures)} of {count} checks failed, the first being {first.name}: {first.found}")
    error.exit_code = first.exit_code or 1
    raise error


class DoctorError(GeonavError):
    """Something failed; its exit code is that of the first failure."""
