"""The sections of indexing and locating."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from geonav.settings.base import Section


class LocalConfig(Section):
    """``[local]``: keypoints and their descriptors."""

    model: str = Field(
        "disk",
        description="local features: disk, aliked, xfeat or superpoint (not for commercial use), each with a matcher",
    )
    matcher: str | None = Field(
        None,
        description="pairs keypoints: lightglue, mutual_nn, superglue, superpoint_lightglue; the model's own if unset",
    )
    max_keypoints: int = Field(2048, ge=16, le=100_000, description="most keypoints kept in one photo, best first")
    keypoint_threshold: float = Field(0.0, ge=0, description="lowest score of a keypoint")
    nms_radius: int = Field(2, ge=0, le=64, description="keypoints closer than this many pixels are thinned out")
    max_side_px: int = Field(1024, ge=64, description="photos are resized to this longer side to find keypoints")
    subpixel: bool = Field(True, description="refine keypoints below the pixel")
    packed_from: int = Field(
        10_000,
        ge=0,
        description="databases of so many photos keep their features a second time, in few files that are read faster; "
        "0 for never",
    )
    batch_size: int = Field(1, ge=1, description="photos computed at once; changes speed and memory only")


class GlobalConfig(Section):
    """``[global]``: one vector a photo, to search the database by."""

    descriptor: str = Field(
        "vlad",
        description="global descriptor: vlad, megaloc, eigenplaces, cosplace, boq, salad, dinov2, netvlad, "
        "radenovic_gldv1, radenovic_gldv2, radenovic_sfm120k, dvgl, onnx:PATH or torchscript:PATH",
    )
    num_clusters: int | None = Field(
        None,
        ge=1,
        le=4096,
        description="words in a vocabulary; if unset 256 for vlad, 64 for dinov2 pooled by vlad",
    )
    backbone: str | None = Field(
        None,
        description="network under a descriptor, such as resnet18conv4 or resnet101; the descriptor's own if unset",
    )
    aggregation: str | None = Field(
        None,
        description="how a network's map is pooled: gem, netvlad, rmac, spoc, mac or vlad; as the weights say if unset",
    )
    checkpoint: Path | None = Field(
        None, description="weights of your own for the descriptor, or the folder of its repository or network"
    )
    output_dim: int | None = Field(None, ge=1, description="numbers in a vector, where several are published")
    image_size: int | None = Field(
        None, ge=32, le=4096, description="side in pixels that a network sees; the descriptor's own if unset"
    )
    multi_scale: bool = Field(False, description="describe each photo at three sizes; three times the work at most")
    pca: int | None = Field(
        None,
        ge=0,
        description="shorten every vector to so many numbers, along axes learned from the database; 0 for none; if "
        "unset 512 for vlad where there are photos enough, none for networks",
    )
    whitening: float | None = Field(
        None,
        ge=0,
        le=1,
        description="with pca, how far its axes are made alike: 0 none, 0.5 half, 1 full; if unset, by what differs "
        "between references side by side",
    )
    index: str = Field(
        "auto",
        description="index over the vectors: flat, sq, sq8, ivf, ivfpq, hnsw or milvus; auto goes by their number and "
        "never takes milvus",
    )


class LocalizeConfig(Section):
    """``[localize]``: from a photo and its nearest references to a pose."""

    top_k: int = Field(10, ge=1, description="references retrieved for a photo")
    max_references: int = Field(
        5, ge=2, description="matching stops once this many references have matches enough to carry a pose"
    )
    min_inliers: int = Field(30, ge=6, description="keypoints that must agree on a pose for it to be believed")
    max_uncertainty_m: float = Field(
        10.0, gt=0, description="a position whose 95 % ellipse reaches farther than this is refused"
    )
    exif_gps: bool = Field(
        False, description="take the position in the photo's EXIF as a prior and search around it only"
    )
    use_map: bool = Field(True, description="use what `geonav map` found of the references, where there is a map")
    adjust_references: bool = Field(
        True,
        description="where there is no map and references are known to decimetres or worse, adjust their poses "
        "together with the photo's",
    )


class WeightsConfig(Section):
    """``[weights]``: where the networks' weights lie and whether they may be fetched."""

    dir: Path | None = Field(None, description="folder with weights of your own, under their published names")
    paths: dict[str, Path] = Field(default_factory=dict, description="weights of your own, by the name they replace")
    offline: bool = Field(False, description="never fetch anything")
    accepted_licences: tuple[str, ...] = Field(
        (), description="licences you have read and accept, of networks that are not under a permissive one"
    )
    timeout_s: float = Field(5.0, gt=0, description="seconds to wait for an answer before trying the next source")
