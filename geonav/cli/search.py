"""``geonav search``: retrieval alone, as a table, JSON Lines, GeoJSON or pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from geonav.cli.options import (
    DatabaseOption,
    DescriptorOption,
    DeviceOption,
    JsonOption,
    ModelOption,
    PrecisionOption,
    SeedOption,
    TopKOption,
)
from geonav.cli.progress import progress_bars
from geonav.cli.search_options import (
    CapturedAfterOption,
    CapturedBeforeOption,
    ExifGpsOption,
    GroupOption,
    HeadingOption,
    NearOption,
    ProviderOption,
    QueryAugmentationOption,
    RerankOption,
    WithinOption,
)
from geonav.cli.search_output import SearchWriter
from geonav.cli.session import Session, open_database

if TYPE_CHECKING:
    from geonav.data.progress import OnProgress
    from geonav.pipeline.search import Searcher, SearchResult

HtmlOption = Annotated[
    Path | None,
    typer.Option(
        "--html",
        metavar="FILE",
        help="write photos and hits as pictures to this page [default: none]",
        show_default=False,
    ),
]
GeoJsonOption = Annotated[
    str | None,
    typer.Option(
        "--geojson", metavar="PATH|-", help="write the hits as a FeatureCollection; - is stdout [default: none]",
        show_default=False,
    ),
]  # fmt: skip


def search(
    context: typer.Context,
    photos: Annotated[list[Path], typer.Argument(metavar="PHOTO", help="photos to search with", show_default=False)],
    database: DatabaseOption = None,
    top_k: TopKOption = None,
    near: NearOption = None,
    within: WithinOption = None,
    captured_after: CapturedAfterOption = None,
    captured_before: CapturedBeforeOption = None,
    provider: ProviderOption = None,
    heading: HeadingOption = None,
    exif_gps: ExifGpsOption = None,
    query_augmentation: QueryAugmentationOption = None,
    rerank: RerankOption = None,
    group: GroupOption = None,
    model: ModelOption = None,
    descriptor: DescriptorOption = None,
    seed: SeedOption = None,
    device: DeviceOption = None,
    precision: PrecisionOption = None,
    as_json: JsonOption = False,
    geojson: GeoJsonOption = None,
    html: HtmlOption = None,
) -> None:
    """Show the references that look like photos; the exit code is 0 if all have hits, 6 if some, 7 if none."""
    session = Session.of(context)
    writer = SearchWriter(as_json=as_json, geojson=geojson, html=html)
    section = {
        "near": near, "within_m": within, "captured_after": captured_after, "captured_before": captured_before,
        "provider": provider, "heading": heading, "query_augmentation": query_augmentation,
        "rerank": rerank, "group": group,
    }  # fmt: skip
    config = session.config({
        "database": database, "seed": seed, "device": device, "precision": precision, "local": {"model": model},
        "global": {"descriptor": descriptor},
        "localize": {"top_k": top_k, "exif_gps": exif_gps}, "search": section,
    })  # fmt: skip
    references = open_database(config)
    from geonav.pipeline.search import Searcher

    searcher = Searcher(references, config)
    try:
        with progress_bars(session) as on_progress:
            for result in _found(searcher, photos, on_progress):
                writer.add(result)
    finally:
        writer.write(references, config.search.recall_within_m)  # also what was found before an interruption
    writer.check()


def _found(searcher: Searcher, photos: Sequence[Path], on_progress: OnProgress | None) -> Iterator[SearchResult]:
    """One result a photo, in order; a photo that cannot be read has no hits, and says why."""
    from geonav.data.progress import ProgressEvent, announce
    from geonav.errors import ImageError
    from geonav.pipeline.search import SearchResult

    for done, photo in enumerate(photos, start=1):
        try:
            yield searcher.search(photo)
        except ImageError as error:
            yield SearchResult(query=str(photo), reason=str(error))
        announce(on_progress, ProgressEvent("search", done, len(photos), photo.name))
