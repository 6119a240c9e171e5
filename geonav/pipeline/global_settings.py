"""The settings of a database's global descriptors: asked for, recorded, and what was learned with them."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from numpy.typing import NDArray

from geonav.config import GeonavConfig
from geonav.data.database import Database
from geonav.errors import DatabaseError
from geonav.pipeline.stored import LearnedArrays, StoredFeatures, filled
from geonav.settings.stages import GlobalConfig
from geonav.vision.base import GlobalDescriptor
from geonav.vision.registries import DESCRIPTORS

logger = logging.getLogger(__name__)

SETTINGS_FILE = "settings.json"
_LEARNED_FILE = "learned.npz"


def not_indexed(database: Database, descriptor: GlobalDescriptor, config: GeonavConfig) -> str:
    """What to say of a database that has no index of these settings."""
    was_indexed = (database.index_dir(descriptor.name) / SETTINGS_FILE).exists()
    state = "was indexed with other settings" if was_indexed else "is not indexed"
    model = config.local.model
    return (
        f"{database.path} {state} for {descriptor.name} over {model} features: run `geonav index global --model "
        f"{model}`, or give the settings it was indexed with, such as --model"
    )


def remembered(section: GlobalConfig) -> dict[str, Any]:
    """What a later command needs and no vector depends on: where weights lie, and how vectors are indexed."""
    asked = {"pca": section.pca, "whitening": section.whitening, "index": section.index}
    return asked | ({"checkpoint": str(section.checkpoint.expanduser().resolve())} if section.checkpoint else {})


def with_own(database: Database, config: GeonavConfig) -> GeonavConfig:
    """``config`` with the database's own settings of its global descriptor where it does not set them."""
    folder = database.index_dir(DESCRIPTORS.stem(config.retrieval.descriptor))
    try:
        recorded = dict(json.loads((folder / SETTINGS_FILE).read_bytes()))
    except (OSError, ValueError, TypeError):
        recorded = {}
    section = filled(config.retrieval, {key: value for key, value in recorded.items() if key != "descriptor"})
    return config.model_copy(update={"retrieval": section})


def descriptor_of(database: Database, config: GeonavConfig) -> tuple[GlobalDescriptor, LearnedArrays, GeonavConfig]:
    """The descriptor of ``config``, and ``config`` with the database's own settings where it does not set them."""
    name = config.retrieval.descriptor
    folder = database.index_dir(DESCRIPTORS.stem(name))
    config = with_own(database, config)
    descriptor = DESCRIPTORS.load(name).from_config(config)
    return cast("GlobalDescriptor", descriptor), LearnedArrays(folder / _LEARNED_FILE), config


def is_taken_over(descriptor: GlobalDescriptor, arrays: Mapping[str, NDArray[Any]]) -> bool:
    """Load what was learned earlier; False where it is broken and must be learned again."""
    try:
        if descriptor.needs_training:
            descriptor.load(arrays)
    except DatabaseError as error:
        logger.info("learned again: %s", error)
        return False
    return True


def base_settings(descriptor: GlobalDescriptor, features: StoredFeatures) -> dict[str, Any]:
    """The descriptor's settings and, where it uses them, those of the local features."""
    local = features.stamp if descriptor.source == "features" else None
    return {**descriptor.settings(), "local": local}


def file_size(path: Path) -> int:
    """In bytes; -1 where there is no file."""
    try:
        return path.stat().st_size
    except OSError:
        return -1
