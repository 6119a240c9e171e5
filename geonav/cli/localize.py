"""``geonav localize``: photos in, positions out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

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
from geonav.errors import InputError

if TYPE_CHECKING:
    from geonav.data.progress import OnProgress
    from geonav.data.results import LocalizationResult
    from geonav.geometry.camera import Camera
    from geonav.pipeline.localize import Localizer

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


def localize(  # noqa: PLR0915 - one statement an option
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
) -> None:
    """Locate photos; the exit code is 0 if all were located, 6 if some, 7 if none."""
    session = Session.of(context)
    source = PhotoInput(photos or [], watch, sequence)
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
    config = session.config({**overrides, **networks})
    given = None if camera is None else _parsed(camera)
    if mask is not None and not mask.is_file():
        msg = f"there is no mask {mask}: name a picture of the photos' size, black where they must not be looked at"
        raise InputError(msg)
    references = open_database(config)
    from geonav.pipeline.localize import Localizer

    localizer = Localizer(references, config)
    if sequence is not None:
        track = SequenceRun(localizer, asked, (given, mask))
        try:
            with progress_bars(session) as on_progress:
                track.locate(on_progress)
        finally:
            track.write(exports.add)  # also what was found before an interruption
            exports.write()
        track.check()
        exports.check()
        return
    try:
        with progress_bars(session, is_on=not source.streams) as on_progress:
            for result in _located(localizer, source, (given, mask), on_progress, page.on_matched):
                writer.add(result)
                exports.add(result)
                page.add(result)
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


def _located(
    localizer: Localizer,
    photos: PhotoInput,
    given: tuple[Camera | None, Path | None],
    on_progress: OnProgress | None,
    further: dict[str, Any],
) -> Iterator[LocalizationResult]:
    """One result a photo, in order; a photo that cannot be read is not located, and says why."""
    from geonav import __version__
    from geonav.data.progress import ProgressEvent, announce
    from geonav.data.results import LocalizationResult
    from geonav.errors import ImageError

    camera, mask = given
    for done, photo in enumerate(photos, start=1):
        try:
            yield localizer.locate(photo, camera=camera, mask=mask, **further)
        except ImageError as error:
            yield LocalizationResult(
                query=str(photo), status="not_located", reason=str(error), geonav_version=__version__
            )
        announce(on_progress, ProgressEvent("localize", done, len(photos.named), photo.name))
