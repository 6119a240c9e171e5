"""The engines that can be chosen by name; one line adds one."""

from __future__ import annotations

from typing import cast

from geonav.config import GeonavConfig
from geonav.pipeline.engines.base import Engine
from geonav.registry import Registry

ENGINES = Registry(
    "engine",
    {
        "local": "geonav.pipeline.engines.local:LocalEngine",
        "ray": "geonav.pipeline.engines.cluster:RayEngine",
    },
)


def engine_of(config: GeonavConfig) -> Engine:
    """The engine that ``config`` names, to be entered.

    Raises:
        UsageError: there is none of that name, or its settings do not go together.
        MissingError: an extra is not installed.
    """
    return cast("Engine", ENGINES.load(config.engine.name).from_config(config))


def here(config: GeonavConfig) -> GeonavConfig:
    """The settings for what the process that asks an engine has to load itself.

    Raises:
        UsageError: there is no engine of that name.
    """
    kind: type[Engine] = ENGINES.load(config.engine.name)
    return kind.here(config)
