"""``geonav serve``: the same answers over HTTP, and a page."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

from geonav.cli.options import (
    DatabaseOption,
    DeviceOption,
    MatcherOption,
    ModelOption,
    PrecisionOption,
    SeedOption,
    TopKOption,
    setting,
)
from geonav.cli.search_options import UseMapOption
from geonav.cli.session import Session, open_database

HostOption = Annotated[str | None, setting("serve.host", "--host")]
PortOption = Annotated[int | None, setting("serve.port", "--port")]
QueueOption = Annotated[int | None, setting("serve.queue", "--queue")]
MaxBatchOption = Annotated[int | None, setting("serve.max_batch", "--max-batch")]
MaxWaitOption = Annotated[float | None, setting("serve.max_wait_ms", "--max-wait", metavar="MILLISECONDS")]
TimeLimitOption = Annotated[float | None, setting("serve.time_limit_s", "--time-limit", metavar="SECONDS")]
MaxUploadOption = Annotated[float | None, setting("serve.max_upload_mb", "--max-upload-mb")]
MaxMegapixelsOption = Annotated[float | None, setting("serve.max_megapixels", "--max-megapixels")]
CorsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--cors-origin",
        metavar="ORIGIN",
        help="other sites whose pages may ask: https://HOST, or *; repeatable [default: none]",
        show_default=False,
    ),
]
GraceOption = Annotated[float | None, setting("serve.grace_s", "--grace", metavar="SECONDS")]
KeepOption = Annotated[Path | None, setting("serve.keep_uploads", "--keep-uploads", metavar="DIR")]
TilesOption = Annotated[str | None, setting("serve.tiles_url", "--tiles-url")]
TilesCreditOption = Annotated[str | None, setting("serve.tiles_attribution", "--tiles-attribution")]

logger = logging.getLogger(__name__)


def serve(
    context: typer.Context,
    database: DatabaseOption = None,
    host: HostOption = None,
    port: PortOption = None,
    queue: QueueOption = None,
    max_batch: MaxBatchOption = None,
    max_wait: MaxWaitOption = None,
    time_limit: TimeLimitOption = None,
    max_upload_mb: MaxUploadOption = None,
    max_megapixels: MaxMegapixelsOption = None,
    cors_origin: CorsOption = None,
    grace: GraceOption = None,
    keep_uploads: KeepOption = None,
    tiles_url: TilesOption = None,
    tiles_attribution: TilesCreditOption = None,
    model: ModelOption = None,
    matcher: MatcherOption = None,
    top_k: TopKOption = None,
    use_map: UseMapOption = None,
    seed: SeedOption = None,
    device: DeviceOption = None,
    precision: PrecisionOption = None,
) -> None:
    """Answer over HTTP, and show a page to drop photos on; a key, if any, is GEONAV_SERVE__API_KEY."""
    session = Session.of(context)
    asked = {
        "host": host, "port": port, "queue": queue, "max_batch": max_batch, "max_wait_ms": max_wait,
        "time_limit_s": time_limit,
        "max_upload_mb": max_upload_mb, "max_megapixels": max_megapixels, "cors_origins": cors_origin or None,
        "grace_s": grace, "keep_uploads": keep_uploads, "tiles_url": tiles_url, "tiles_attribution": tiles_attribution,
    }  # fmt: skip
    shared = {"database": database, "seed": seed, "device": device, "precision": precision}
    networks = {"local": {"model": model, "matcher": matcher}, "localize": {"top_k": top_k, "use_map": use_map}}
    config = session.config({**shared, **networks, "serve": asked})
    references = open_database(config)
    if config.serve.api_key is None and config.serve.host not in {"127.0.0.1", "localhost", "::1"}:
        logger.warning("everybody who reaches %s may ask: set GEONAV_SERVE__API_KEY to a key", config.serve.host)
    from geonav.serving.running import serve as run

    name = references.path.resolve().name

    def tell(address: str) -> None:
        if not session.quiet:
            typer.echo(
                f"{name}: {len(references)} references, photos are located at {address} (Ctrl-C ends it)", err=True
            )

    run(references, config, tell)
