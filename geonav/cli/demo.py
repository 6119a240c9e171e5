"""``geonav demo``: a synthetic city, and the services' interfaces over it on this machine."""

from __future__ import annotations

import json
import shlex
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Annotated, Any

import typer

from geonav.cli import demo_run
from geonav.cli.session import Session
from geonav.errors import UsageError

if TYPE_CHECKING:
    from geonav.providers.demo.twin import Faults, Twin

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Try everything on a synthetic city, offline.")
app.command("run")(demo_run.run)

# The settings that have variables under names of their own.
_VARIABLES = {
    ("google", "api_key"): "GOOGLE_MAPS_API_KEY",
    ("google", "signing_secret"): "GOOGLE_MAPS_SIGNING_SECRET",
    ("mapillary", "access_token"): "MAPILLARY_ACCESS_TOKEN",
}


@app.callback()
def group() -> None:
    """Try everything on a synthetic city, offline."""


@app.command("serve")
def serve(
    context: typer.Context,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="port to listen at; 0 takes a free one")] = 8765,
    host: Annotated[str, typer.Option("--host", help="address to listen at")] = "127.0.0.1",
    panoramas: Annotated[int, typer.Option("--panoramas", min=1, max=5000, help="panoramas of the city")] = 20,
    seed: Annotated[int, typer.Option("--seed", min=0, help="of the city and of the faults")] = 0,
    position_noise_m: Annotated[
        float, typer.Option("--position-noise-m", min=0, help="error of the positions that are told, 1 sigma")
    ] = 0.0,
    heading_noise_deg: Annotated[
        float, typer.Option("--heading-noise-deg", min=0, help="error of the headings that are told, 1 sigma")
    ] = 0.0,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            "--fault",
            metavar="KIND=RATE",
            help="share of calls, 0 to 1, that fail: 429, 500, 503, slow, truncated, wrong-length, grey, "
            "request-denied, over-query-limit, unknown-error, redirect; repeatable [default: none]",
            show_default=False,
        ),
    ] = None,
    fault_path: Annotated[
        str,
        typer.Option(
            "--fault-path",
            metavar="REGEX",
            help="only calls whose path holds this fail [default: all]",
            show_default=False,
        ),
    ] = "",
    as_toml: Annotated[
        bool,
        typer.Option(
            "--toml",
            help="print lines for geonav.toml instead of environment variables [default: off]",
            show_default=False,
        ),
    ] = False,
) -> None:
    """Serve the city as Google, OpenStreetMap, Mapillary and Panoramax serve the world, until Ctrl-C.

    What points geonav at it is printed: set it in another terminal, and every command works on the city.
    """
    from geonav.providers.demo.city import CityPlan, DemoCity
    from geonav.providers.demo.twin import Twin

    faults = parse_faults(fault or [], seed, fault_path)
    plan = CityPlan(
        seed=seed,
        num_panoramas=panoramas,
        position_noise_m=position_noise_m,
        heading_noise_deg=heading_noise_deg,
    )
    city = DemoCity(plan)
    twin = Twin(city, faults)
    twin.start(host, port)
    with suppress(KeyboardInterrupt), _stopped_at_last(twin):
        for line in _toml_lines(twin) if as_toml else _shell_lines(twin):
            typer.echo(line)
        if not Session.of(context).quiet:
            typer.echo(f"{city.name} with {panoramas} panoramas is served at {twin.base_url}; Ctrl-C ends", err=True)
        threading.Event().wait()
    if not Session.of(context).quiet:
        typer.echo(f"{twin.calls.total} calls, {twin.calls.billed_images} of them images that cost money", err=True)


@contextmanager
def _stopped_at_last(twin: Twin) -> Iterator[None]:
    try:
        yield
    finally:
        twin.stop()


def parse_faults(texts: Sequence[str], seed: int, path: str = "") -> Faults:
    """What ``--fault KIND=RATE`` says.

    Raises:
        UsageError: no such kind, or no rate.
    """
    from geonav.providers.demo.twin import Faults

    rates = {}
    for text in texts:
        kind, _, rate = text.partition("=")
        try:
            rates[kind.replace("_", "-")] = float(rate)
        except ValueError:
            msg = f"--fault {text}: give KIND=RATE, as in --fault 503=0.1"
            raise UsageError(msg) from None
    return Faults(rates, seed=seed, only=path)


def environment_of(settings: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Environment variables that say the same as settings by section."""
    return {
        _VARIABLES.get((section, name), f"GEONAV_{section}__{name}".upper()): str(value)
        for section, values in settings.items()
        for name, value in values.items()
    }


def _shell_lines(twin: Twin) -> Iterator[str]:
    for name, value in environment_of(twin.settings()).items():
        yield f"export {name}={shlex.quote(value)}"


def _toml_lines(twin: Twin) -> Iterator[str]:
    for section, values in twin.settings().items():
        yield f"[{section}]"
        for name, value in values.items():
            yield f"{name} = {json.dumps(value)}"
        yield ""
