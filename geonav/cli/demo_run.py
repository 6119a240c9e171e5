"""``geonav demo run``: the whole chain over a synthetic city, through the very commands a user would type."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from geonav.errors import EXIT_INTERRUPTED, GeonavError, UsageError

if TYPE_CHECKING:
    from geonav.providers.demo.city import DemoCity

_KEY = "AIza-demo-city"
_OWN_CODES = range(2, 9)


def run(
    output: Annotated[Path, typer.Option("--output", metavar="DIR", help="folder for all that the demo makes")] = Path(
        "runs/demo"
    ),
    panoramas: Annotated[int, typer.Option("--panoramas", min=2, max=5000, help="panoramas of the city")] = 10,
    queries: Annotated[int, typer.Option("--queries", min=1, help="photos to locate")] = 12,
    seed: Annotated[int, typer.Option("--seed", min=0, help="of the city")] = 0,
) -> None:
    """Build the database of a synthetic city, locate photos of it and report; run again to resume."""
    from geonav.data.files import storage_errors
    from geonav.providers.demo.city import CityPlan, DemoCity

    began = time.monotonic()
    city = DemoCity(CityPlan(seed=seed, num_panoramas=panoramas))
    _keep_to(output, {"panoramas": panoramas, "queries": queries, "seed": seed})
    _say(f"a synthetic city of {panoramas} panoramas; everything goes to {output}")
    source = output / "query-photos"
    if not (source / "poses.json").exists():
        _say(f"taking {queries} photos to locate, with other cameras, on another day")
        with storage_errors(source):
            city.write_queries(source, queries)
    with _served(city) as environment:
        for command in _commands(output, source, city):
            _geonav(command, environment)
    _finish(output, time.monotonic() - began)


def _keep_to(output: Path, settings: dict[str, int]) -> None:
    """Hold a folder to the city it was begun with: two cities' pictures in one database would locate nothing."""
    from geonav.data.files import atomic_write_json, read_json_object, storage_errors

    path = output / "demo.json"
    with storage_errors(output):
        output.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        atomic_write_json(path, settings)
        return
    begun = read_json_object(path)
    if begun != settings:
        options = " ".join(f"--{name} {value}" for name, value in begun.items())
        msg = f"{output} was begun with {options}: give the same to go on, or another --output"
        raise UsageError(msg)


def _commands(output: Path, source: Path, city: DemoCity) -> Iterator[list[str]]:
    database, query_set = str(output / "database"), str(output / "queries")
    origin = city.plan.origin
    place = (str(origin.lat_deg), str(origin.lng_deg), str(origin.alt_m))
    # Panoramas stand 10 m apart, but closer together where streets cross: a coarser grid misses some.
    area = ["--place", city.name, "--spacing", "5"]
    here = ["--database", database]
    yield ["preview", *area, "--output", str(output / "preview.html")]
    yield ["fetch", "metadata", *area, *here]
    yield ["fetch", "elevation", *here, "--yes"]
    yield ["fetch", "panoramas", *here, "--fov", "90", "--n-directions", "8", "--yes"]
    yield ["postview", *here, "--output", str(output / "postview.html")]
    yield ["index", "global", *here]
    images = str(source / "images")
    model = str(source / "colmap")
    yield ["import", "colmap", model, "--images", images, "--origin", *place, "--alt-datum", "egm96",
           "--database", query_set]  # fmt: skip
    evaluation = str(output / "evaluation")
    yield ["evaluate", "--query-set", query_set, "--reference-set", database, "--output", evaluation]


@contextmanager
def _served(city: DemoCity) -> Iterator[dict[str, str]]:
    """The twin of the services over the city, and the environment that leads geonav to it."""
    from geonav.providers.demo.twin import Twin

    with Twin(city) as twin:
        url = twin.base_url
        yield {
            **os.environ,
            "GEONAV_FETCH__PROVIDER": "demo",
            "GEONAV_GOOGLE__URL": url,
            "GEONAV_OSM__NOMINATIM_URL": url,
            "GEONAV_OSM__MIN_INTERVAL_S": "0",
            "GOOGLE_MAPS_API_KEY": _KEY,
        }


def _geonav(arguments: list[str], environment: dict[str, str]) -> None:
    _say("geonav " + " ".join(arguments))
    # What the commands print is told on stderr: the demo's own output is its table.
    done = subprocess.run(  # noqa: S603 - our own commands
        [sys.executable, "-m", "geonav", *arguments], env=environment, stdout=sys.stderr, check=False
    )
    if done.returncode:
        if done.returncode == EXIT_INTERRUPTED:
            raise KeyboardInterrupt
        msg = f"'geonav {' '.join(arguments)}' ended with exit code {done.returncode}: see above, then run again"
        error = GeonavError(msg)
        # Its meaning is the command's own; see geonav.errors.
        if done.returncode in _OWN_CODES:
            error.exit_code = done.returncode
        raise error


def _finish(output: Path, seconds: float) -> None:
    from rich.console import Console
    from rich.table import Table

    from geonav.data.files import atomic_write_json

    evaluation = output / "evaluation"
    summary: dict[str, Any] = json.loads((evaluation / "summary.json").read_text("utf-8"))
    photos: list[dict[str, Any]] = [
        json.loads(line) for line in (evaluation / "scores.jsonl").read_text("utf-8").splitlines()
    ]
    table = Table("photo", "outcome", "error (m)", "error (deg)", "95 % ellipse (m)")
    for photo in photos:
        figures = (photo["position_error_m"], photo["rotation_error_deg"], photo["semi_major_m"])
        cells = ["" if figure is None else f"{figure:.3f}" for figure in figures]
        table.add_row(photo["name"], photo["status"], *cells)
    Console().print(table)
    atomic_write_json(output / "summary.json", {**summary, "seconds": round(seconds, 1)})
    typer.echo(
        f"{summary['num_located']} of {summary['num_queries']} photos located, median error {summary['median_m']} m "
        f"and {summary['median_deg']} degrees, {seconds:.0f} s; report: {evaluation / 'report.html'}"
    )


def _say(text: str) -> None:
    typer.secho(f"> {text}", fg="cyan", err=True)
