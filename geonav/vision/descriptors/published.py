"""The file with a family's weights: the user's own, the one in a folder of weights, or the authors' published one.

The authors give no checksums for these. What was fetched once is remembered by its sha256 beside the file, so that a
file that changes later is seen; whether it was the right one at first nobody can check, and the settings say so.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from geonav.config import GeonavConfig
from geonav.data.files import atomic_write_bytes, storage_errors
from geonav.errors import NetworkError, UsageError, WeightsError
from geonav.vision.weights import cache_dir, sha256_of

logger = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 3.0
_LARGEST_BYTES = 2 << 30
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Published:
    """A checkpoint as its authors publish it.

    Attributes:
        file: its name.
        url: where it lies.
        licence: SPDX identifier, or words where the authors state none.
        source: the work it belongs to.
    """

    file: str
    url: str
    licence: str
    source: str


@dataclass(frozen=True)
class Checkpoint:
    """A file of weights on this machine."""

    path: Path
    sha256: str

    def settings(self) -> dict[str, Any]:
        """What stamps and reports say of it."""
        return {"weights_sha256": self.sha256, "weights_verified": False}


def find_checkpoint(config: GeonavConfig, name: str, published: Published | None) -> Checkpoint:
    """The weights of the descriptor ``name``, fetched first if need be.

    Args:
        config: names the user's own file (``[global] checkpoint``) and folder (``[weights] dir``).
        name: for messages.
        published: the authors' file; None where there is none.

    Raises:
        UsageError: the user must name a file and has not.
        WeightsError: the file is not there, or another than was fetched, or may not be fetched (offline).
        NetworkError: it cannot be fetched.
        StorageError: the cache cannot be written.
    """
    own = config.retrieval.checkpoint
    if own is not None:
        if not own.expanduser().is_file():
            msg = f"the checkpoint {own} of {name} does not exist: correct --checkpoint"
            raise WeightsError(msg)
        return _checkpoint(own.expanduser(), name)
    if published is None:
        msg = f"{name} has no published weights of its own: give a file with --checkpoint"
        raise UsageError(msg)
    if config.weights.dir is not None and (config.weights.dir / published.file).is_file():
        return _checkpoint(config.weights.dir / published.file, name)
    path = cache_dir(config) / published.file
    if not path.is_file():
        _fetch(config, name, published, path)
    return _unchanged(path, name)


def _checkpoint(path: Path, name: str) -> Checkpoint:
    found = Checkpoint(path, sha256_of(path))
    logger.info("%s: weights %s, sha256 %s, which no published checksum confirms", name, path, found.sha256)
    return found


def _unchanged(path: Path, name: str) -> Checkpoint:
    found = _checkpoint(path, name)
    note = _note_of(path)
    if note.is_file() and note.read_text("utf-8").strip() != found.sha256:
        msg = f"weights {path} are not what was fetched (sha256 differs): delete the file and run again"
        raise WeightsError(msg)
    return found


def _note_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _fetch(config: GeonavConfig, name: str, published: Published, path: Path) -> None:
    advice = f"put {published.file} there or name it with --checkpoint"
    if config.weights.offline:
        msg = f"the weights of {name} are missing at {path} and geonav is offline: {advice}"
        raise WeightsError(msg)
    logger.warning("fetching %s (%s, %s)", published.url, published.source, published.licence)
    content = _download(config, published, advice)
    with storage_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write_bytes(path, content)
    atomic_write_bytes(_note_of(path), f"{sha256_of(path)}\n".encode())


def _download(config: GeonavConfig, published: Published, advice: str) -> bytes:
    import requests

    timeout = (min(CONNECT_TIMEOUT_S, config.weights.timeout_s), config.weights.timeout_s)
    content = bytearray()
    try:
        with requests.get(published.url, timeout=timeout, stream=True) as response:
            if response.status_code != requests.codes.ok:
                msg = f"{published.url} answered {response.status_code}: {advice}"
                raise NetworkError(msg)
            for chunk in response.iter_content(_CHUNK_BYTES):
                content += chunk
                if len(content) > _LARGEST_BYTES:
                    msg = f"{published.url} sends more than {_LARGEST_BYTES >> 30} GiB, which is no weights: {advice}"
                    raise WeightsError(msg)
    except requests.RequestException as error:
        msg = f"{published.url} cannot be fetched ({type(error).__name__}): try again, or {advice}"
        raise NetworkError(msg) from error
    return bytes(content)
