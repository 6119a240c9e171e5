"""``geonav localize``: photos in, positions out."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from geonav.cli.engine_options import (
    EngineOption,
    RayAddressOption,
    ShardOption,
    WorkersOption,
    engine_section,
    shard_of,
)
from geonav.cli.localize_exports import InPlaceOption, KmlOption, LocalizeExports, WriteExifOption
from geonav.cli.localize_input import PhotoInput, WatchOption
from geonav.cli.localize_page import HtmlOption, LocalizePage
from geonav.cli.options import (
    DatabaseOption,
    DescriptorOption,
    DeviceOption,
    JsonOption,
    MatcherOption,
    ModelOption,
    PrecisionOption,
    SeedOption,
    TopKOption,
)
from geonav.cli.progress import progress_bars
from geonav.cli.result_writer import ResultWriter
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
    UseMapOption,
    WithinOption,
)
from geonav.cli.sequence import (
    FrameRateOption,
    GpxOption,
    MaxSpeedOption,
    SequenceAsked,
    SequenceOption,
    SequenceRun,
)
from geonav.cli.session import Session, open_database
from geonav.errors import InputError, UsageError

if TYPE_CHECKING:
    from geonav.config import GeonavConfig
    from geonav.data.database import Database
    from geonav.data.progress import OnProgress
    from geonav.geometry.camera import Camera
    from geonav.pipeline.locating import Located

CameraOption = Annotated[
    str | None,
    typer.Option(
        "--camera",
        metavar="MODEL,w,h,params",
        help="calibration of the photos, with COLMAP's names: PINHOLE,w,h,fx,fy,cx,cy [default: EXIF, else estimated]",
        show_default=False,
    ),
]
MaskOption = Annotated[
    Path | None,
    typer.Option(
        "--mask",
        metavar="PNG",
        help="black where the photos must not be looked at [default: none]",
        show_default=False,
    ),
]
GeoJsonOption = Annotated[
    str | None,
    typer.Option(
        "--geojson", metavar="PATH|-", help="write a FeatureCollection; - is stdout [default: none]", show_default=False
    ),
]


def localize(
    context: typer.Context,
    photos: Annotated[
        list[Path] | None,
        typer.Argument(metavar="PHOTO", help="photos to locate; - reads their names from stdin", show_default=False),
    ] = None,
    database: DatabaseOption = None,
    camera: CameraOption = None,
    model: ModelOption = None,
    matcher: MatcherOption = None,
    descriptor: DescriptorOption = None,
    top_k: TopKOption = None,
    near: NearOption = None,
    within: WithinOption = None,
    captured_after: CapturedAfterOption = None,
    captured_before: CapturedBeforeOption = None,
    provider: ProviderOption = None,
    heading: HeadingOption = None,
    exif_gps: ExifGpsOption = None,
    use_map: UseMapOption = None,
    query_augmentation: QueryAugmentationOption = None,
    rerank: RerankOption = None,
    group: GroupOption = None,
    mask: MaskOption = None,
    seed: SeedOption = None,
    device: DeviceOption = None,
    precision: PrecisionOption = None,
    as_json: JsonOption = False,
    geojson: GeoJsonOption = None,
    html: HtmlOption = None,
    kml: KmlOption = None,
    write_exif: WriteExifOption = False,
    in_place: InPlaceOption = False,
    sequence: SequenceOption = None,
    frame_rate: FrameRateOption = None,
    max_speed: MaxSpeedOption = None,
    gpx: GpxOption = None,
    watch: WatchOption = None,
    shard: ShardOption = None,
    engine: EngineOption = None,
    ray_address: RayAddressOption = None,
    workers: WorkersOption = None,
) -> None:
    """Locate photos; the exit code is 0 if all were located, 6 if some, 7 if none."""
    session = Session.of(context)
    source = PhotoInput(photos or [], watch, sequence, shard_of(shard))
    asked = SequenceAsked(sequence, frame_rate, max_speed, gpx, geojson, as_json)
    asked.check(has_photos=source.has_photos, write_exif=write_exif)
    writer = ResultWriter(as_json=as_json, geojson=geojson, streams=source.streams)
    exports = LocalizeExports(source.named, kml, write_exif=write_exif, in_place=in_place)
    page = LocalizePage(html, sequence=sequence is not None)
    section = {"top_k": top_k, "exif_gps": exif_gps, "use_map": use_map}
    search = {
        "near": near, "within_m": within, "captured_after": captured_after, "captured_before": captured_before,
        "provider": provider, "heading": heading, "query_augmentation": query_augmentation,
        "rerank": rerank, "group": group,
    }  # fmt: skip
    networks = {"local": {"model": model, "matcher": matcher}, "global": {"descriptor": descriptor}}
    overrides = {
        "database": database,
        "seed": seed,
        "device": device,
        "precision": precision,
        "localize": section,
        "search": search,
    }
    config = session.config({**overrides, **networks, "engine": engine_section(engine, ray_address, workers)})
    given = None if camera is None else _parsed(camera)
    if mask is not None and not mask.is_file():
        msg = f"there is no mask {mask}: name a picture of the photos' size, black where they must not be looked at"
        raise InputError(msg)
    references = open_database(config)
    if sequence is not None:
        _locate_sequence((references, config), asked, (given, mask), exports, session)
        return
    try:
        with (
            progress_bars(session, is_on=not source.streams) as on_progress,
            closing(_located(references, config, source, (given, mask, page.is_wanted), on_progress)) as located,
        ):
            for found in located:
                writer.add(found.result)
                exports.add(found.result)
                page.add(found.result, found.matches)
    except KeyboardInterrupt:
        if watch is None:
            raise  # the usual end of watching
    finally:
        writer.write()  # also what was found before an interruption
        exports.write()
        page.write(references)
    writer.check()
    exports.check()


def _parsed(camera: str) -> Camera:
    from geonav.geometry.camera import Camera

    return Camera.parse(camera)


def _locate_sequence(
    against: tuple[Database, GeonavConfig],
    asked: SequenceAsked,
    given: tuple[Camera | None, Path | None],
    exports: LocalizeExports,
    session: Session,
) -> None:
    from geonav.pipeline.localize import Localizer

    _check_is_local(against[1], "--sequence")
    track = SequenceRun(Localizer(*against), asked, given)
    try:
        with progress_bars(session) as on_progress:
            track.locate(on_progress)
    finally:
        track.write(exports.add)  # also what was found before an interruption
        exports.write()
    track.check()
    exports.check()


def _located(
    references: Database,
    config: GeonavConfig,
    photos: PhotoInput,
    given: tuple[Camera | None, Path | None, bool],
    on_progress: OnProgress | None,
) -> Generator[Located, None, None]:
    """What is found of each photo, in order."""
    from geonav.pipeline.localize import Localizer
    from geonav.pipeline.locating import Given, LocateWorker, locate_photos

    if photos.streams:
        _check_is_local(config, "what comes one by one, from - or --watch,")
        yield from LocateWorker(Localizer(references, config), Given(*given)).work(photos)
    else:
        yield from locate_photos(references, config, photos.named, Given(*given), on_progress)


def _check_is_local(config: GeonavConfig, what: str) -> None:
    if config.engine.name != "local":
        msg = f"{what} is located by this process alone: leave out --engine {config.engine.name}"
        raise UsageError(msg)
