"""Options that say who does the work, and which share of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from geonav.cli.options import setting

if TYPE_CHECKING:
    from geonav.data.shards import Shard

EngineOption = Annotated[str | None, setting("engine.name", "--engine")]
RayAddressOption = Annotated[str | None, setting("engine.ray_address", "--ray-address", metavar="auto|HOST:PORT")]
WorkersOption = Annotated[int | None, setting("engine.workers", "--workers")]
ShardOption = Annotated[
    str | None,
    typer.Option(
        "--shard",
        metavar="I/N",
        help="do the I-th of N shares alone, from 1; they may run at the same time [default: everything]",
        show_default=False,
    ),
]


def engine_section(engine: str | None, ray_address: str | None, workers: int | None) -> dict[str, Any]:
    """``[engine]`` as the options have it."""
    return {"name": engine, "ray_address": ray_address, "workers": workers}


def shard_of(text: str | None) -> Shard | None:
    """The share that ``--shard`` names.

    Raises:
        UsageError: it names none.
    """
    from geonav.data.shards import Shard

    return None if text is None else Shard.parse(text)
