"""Options that several commands share, declared once.

An option that is a setting takes its help and its default from the configuration's own description, and is None
unless it was given, so that ``geonav.toml`` and the environment keep their say.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from geonav.config import GeonavConfig


class Precision(StrEnum):
    """Numbers that networks compute with."""

    AUTO = "auto"
    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    FLOAT16 = "float16"


class AltDatum(StrEnum):
    """What heights are measured from."""

    WGS84 = "wgs84"
    EGM96 = "egm96"
    EGM2008 = "egm2008"
    LOCAL = "local"


def _field(name: str) -> FieldInfo:
    model: type[BaseModel] = GeonavConfig
    *sections, last = name.split(".")
    for section in sections:
        annotation = model.model_fields[section].annotation
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            raise KeyError(name)
        model = annotation
    return model.model_fields[last]


def setting(name: str, *flags: str, note: str = "", metavar: str | None = None) -> Any:  # noqa: ANN401 - typer's own type
    """An option for the setting ``name`` as in ``local.max_keypoints``."""
    field = _field(name)
    default = field.get_default(call_default_factory=True)
    if isinstance(default, bool):
        default = "on" if default else "off"
    if isinstance(default, tuple):
        default = " ".join(f"{item:g}" for item in default)
    shown = "not set" if default is None else default
    text = f"{field.description}{note} [default: {shown}]"
    return typer.Option(*flags, help=text, metavar=metavar, show_default=False)


DATABASE_NOTE = "; also GEONAV_DATABASE or geonav.toml"

DatabaseOption = Annotated[Path | None, setting("database", "--database", "-d", note=DATABASE_NOTE)]
DeviceOption = Annotated[str | None, setting("device", "--device")]
PrecisionOption = Annotated[Precision | None, setting("precision", "--precision")]
SeedOption = Annotated[int | None, setting("seed", "--seed")]
TopKOption = Annotated[int | None, setting("localize.top_k", "--top-k")]
JsonOption = Annotated[
    bool, typer.Option("--json", help="print JSON for programs instead of a table [default: off]", show_default=False)
]
ModelOption = Annotated[str | None, setting("local.model", "--model")]
MatcherOption = Annotated[str | None, setting("local.matcher", "--matcher")]
MaxKeypointsOption = Annotated[int | None, setting("local.max_keypoints", "--max-keypoints")]
KeypointThresholdOption = Annotated[float | None, setting("local.keypoint_threshold", "--keypoint-threshold")]
NmsRadiusOption = Annotated[int | None, setting("local.nms_radius", "--nms-radius")]
MaxSideOption = Annotated[int | None, setting("local.max_side_px", "--max-side-px")]
BatchSizeOption = Annotated[int | None, setting("local.batch_size", "--batch-size")]
DescriptorOption = Annotated[str | None, setting("retrieval.descriptor", "--descriptor", "--descriptor-type")]
NumClustersOption = Annotated[int | None, setting("retrieval.num_clusters", "--num-clusters")]
BackboneOption = Annotated[str | None, setting("retrieval.backbone", "--backbone")]
AggregationOption = Annotated[str | None, setting("retrieval.aggregation", "--aggregation")]
CheckpointOption = Annotated[Path | None, setting("retrieval.checkpoint", "--checkpoint")]
OutputDimOption = Annotated[int | None, setting("retrieval.output_dim", "--output-dim")]
ImageSizeOption = Annotated[int | None, setting("retrieval.image_size", "--image-size")]
MultiScaleOption = Annotated[bool | None, setting("retrieval.multi_scale", "--multi-scale/--single-scale")]
PcaOption = Annotated[int | None, setting("retrieval.pca", "--pca")]
WhiteningOption = Annotated[float | None, setting("retrieval.whitening", "--whitening")]
IndexOption = Annotated[str | None, setting("retrieval.index", "--index")]
MilvusUriOption = Annotated[str | None, setting("milvus.uri", "--milvus-uri")]

OriginOption = Annotated[
    tuple[float, float, float] | None,
    typer.Option(
        "--origin",
        metavar="LAT LNG ALT",
        help="where (0, 0, 0) of what is imported lies, degrees and metres [default: as the source says]",
        show_default=False,
    ),
]
AltDatumOption = Annotated[
    AltDatum, typer.Option("--alt-datum", help="what ALT is measured from; wgs84 is the ellipsoid")
]
IncludeOption = Annotated[
    list[str] | None,
    typer.Option("--include", metavar="GLOB", help="only these names; repeatable [default: all]", show_default=False),
]
ExcludeOption = Annotated[
    list[str] | None,
    typer.Option("--exclude", metavar="GLOB", help="not these names; repeatable [default: none]", show_default=False),
]
PositionStdOption = Annotated[
    float | None,
    typer.Option(
        "--position-std-m",
        help="how far positions are to be trusted, metres [default: by source]",
        show_default=False,
    ),
]
DriveOption = Annotated[
    str | None,
    typer.Option(
        "--sequence",
        metavar="NAME",
        help="the drive that the photos are of: what their positions are off in common is found by 'geonav map' "
        "[default: none]",
        show_default=False,
    ),
]
HeadingStdOption = Annotated[
    float | None,
    typer.Option(
        "--heading-std-deg",
        help="how far headings are to be trusted, degrees [default: by source]",
        show_default=False,
    ),
]
