"""``geonav index``: what searching and matching need, computed once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from geonav.cli import output
from geonav.cli.engine_options import (
    EngineOption,
    RayAddressOption,
    ShardOption,
    WorkersOption,
    engine_section,
    shard_of,
)
from geonav.cli.options import (
    AggregationOption,
    BackboneOption,
    BatchSizeOption,
    CheckpointOption,
    DatabaseOption,
    DescriptorOption,
    DeviceOption,
    ImageSizeOption,
    IndexOption,
    JsonOption,
    KeypointThresholdOption,
    MaxKeypointsOption,
    MaxSideOption,
    MilvusUriOption,
    ModelOption,
    MultiScaleOption,
    NmsRadiusOption,
    NumClustersOption,
    OutputDimOption,
    PcaOption,
    PrecisionOption,
    SeedOption,
    WhiteningOption,
)
from geonav.cli.progress import progress_bars
from geonav.cli.session import Session, open_database
from geonav.errors import UsageError

if TYPE_CHECKING:
    from geonav.config import GeonavConfig
    from geonav.data.database import Database

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Compute what locating needs; resumes.")

RetrainOption = Annotated[
    bool,
    typer.Option(
        "--retrain", help="learn the vocabulary anew, for a database much grown [default: off]", show_default=False
    ),
]


@app.command("local")
def local(
    context: typer.Context,
    database: DatabaseOption = None,
    model: ModelOption = None,
    max_keypoints: MaxKeypointsOption = None,
    keypoint_threshold: KeypointThresholdOption = None,
    nms_radius: NmsRadiusOption = None,
    max_side_px: MaxSideOption = None,
    batch_size: BatchSizeOption = None,
    device: DeviceOption = None,
    precision: PrecisionOption = None,
    shard: ShardOption = None,
    engine: EngineOption = None,
    ray_address: RayAddressOption = None,
    workers: WorkersOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find and describe the keypoints of every photo that lacks them."""
    from geonav.pipeline.index import index_local

    session = Session.of(context)
    section = {
        "model": model,
        "max_keypoints": max_keypoints,
        "keypoint_threshold": keypoint_threshold,
        "nms_radius": nms_radius,
        "max_side_px": max_side_px,
        "batch_size": batch_size,
    }
    work = {"device": device, "precision": precision, "engine": engine_section(engine, ray_address, workers)}
    config, part = session.config({"database": database, "local": section, **work}), shard_of(shard)
    with progress_bars(session) as on_progress:
        report = index_local(open_database(config), config, on_progress, shard=part)
    output.write_index(report, as_json=as_json)


@app.command("global")
def global_(
    context: typer.Context,
    database: DatabaseOption = None,
    model: ModelOption = None,
    descriptor: DescriptorOption = None,
    num_clusters: NumClustersOption = None,
    backbone: BackboneOption = None,
    aggregation: AggregationOption = None,
    checkpoint: CheckpointOption = None,
    output_dim: OutputDimOption = None,
    image_size: ImageSizeOption = None,
    multi_scale: MultiScaleOption = None,
    pca: PcaOption = None,
    whitening: WhiteningOption = None,
    index: IndexOption = None,
    milvus_uri: MilvusUriOption = None,
    device: DeviceOption = None,
    precision: PrecisionOption = None,
    seed: SeedOption = None,
    retrain: RetrainOption = False,
    shard: ShardOption = None,
    engine: EngineOption = None,
    ray_address: RayAddressOption = None,
    workers: WorkersOption = None,
    as_json: JsonOption = False,
) -> None:
    """Describe every photo as a whole and index the vectors; missing local features are computed first."""
    from geonav.pipeline.index import index_global

    session = Session.of(context)
    section = {
        "descriptor": descriptor,
        "num_clusters": num_clusters,
        "backbone": backbone,
        "aggregation": aggregation,
        "checkpoint": checkpoint,
        "output_dim": output_dim,
        "image_size": image_size,
        "multi_scale": multi_scale,
        "pca": pca,
        "whitening": whitening,
        "index": index,
    }
    shared = {"database": database, "device": device, "precision": precision, "seed": seed, "local": {"model": model}}
    work = {"engine": engine_section(engine, ray_address, workers), "milvus": {"uri": milvus_uri}}
    config, part = session.config({**shared, **work, "global": section}), shard_of(shard)
    if retrain and part is not None:
        msg = "--retrain learns from the whole database and --shard looks at a part of it: leave one out"
        raise UsageError(msg)
    opened = open_database(config)
    if milvus_uri is not None:
        _check_kind(opened, config, milvus_uri)
    with progress_bars(session) as on_progress:
        report = index_global(opened, config, on_progress, retrain=retrain, shard=part)
    output.write_index(report, as_json=as_json)


def _check_kind(database: Database, config: GeonavConfig, milvus_uri: str) -> None:
    """An address of Milvus goes with an index in it, asked for now or before.

    Raises:
        UsageError: the index is of another kind.
    """
    from geonav.pipeline.global_settings import with_own

    kind = with_own(database, config).retrieval.index
    if kind != "milvus":
        msg = f"--milvus-uri {milvus_uri} is for vectors in Milvus, and this index is {kind}: give --index milvus too"
        raise UsageError(msg)
