"""Options that say which references may be found and in which order, shared by the commands that search."""

from __future__ import annotations

from typing import Annotated

from geonav.cli.options import setting

NearOption = Annotated[tuple[float, float] | None, setting("search.near", "--near", metavar="LAT LNG")]
WithinOption = Annotated[float | None, setting("search.within_m", "--within", metavar="METRES")]
CapturedAfterOption = Annotated[str | None, setting("search.captured_after", "--captured-after", metavar="DATE")]
CapturedBeforeOption = Annotated[str | None, setting("search.captured_before", "--captured-before", metavar="DATE")]
ProviderOption = Annotated[str | None, setting("search.provider", "--provider", metavar="NAME")]
HeadingOption = Annotated[tuple[float, float] | None, setting("search.heading", "--heading", metavar="FROM TO")]
QueryAugmentationOption = Annotated[str | None, setting("search.query_augmentation", "--query-augmentation")]
RerankOption = Annotated[str | None, setting("search.rerank", "--rerank")]
GroupOption = Annotated[bool | None, setting("search.group", "--group/--no-group")]
UseMapOption = Annotated[bool | None, setting("localize.use_map", "--map/--no-map")]
ExifGpsOption = Annotated[bool | None, setting("localize.exif_gps", "--exif-gps/--no-exif-gps")]
