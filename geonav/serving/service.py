"""One running server: its state, its parts and its limits, known to every route."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from geonav.data.database import Database
from geonav.pipeline.localize import Localizer
from geonav.serving.catalogue import Catalogue
from geonav.serving.engine import Engine
from geonav.serving.metrics import Metrics
from geonav.serving.multipart import Memory
from geonav.serving.refusals import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from geonav.config import GeonavConfig

State = Literal["starting", "ready", "draining"]
_GPU_BATCH = 8
_HELPERS = 2
Made = TypeVar("Made")


class Service:
    """What the routes share."""

    def __init__(self, database: Database, config: GeonavConfig) -> None:
        """Nothing is loaded yet; :meth:`Engine.start` does."""
        self.settings = config.serve
        self.engine = Engine(lambda: _loaded(database, config), config.serve.queue)
        self.metrics = Metrics(self.engine)
        self.memory = Memory(int(config.serve.upload_memory_mb * 1e6))
        self.is_draining = False
        self.num_open = 0  # photos whose answers are not sent yet
        self._helpers = ThreadPoolExecutor(_HELPERS, thread_name_prefix="geonav-serve")

    @property
    def state(self) -> State:
        """Whether photos are taken."""
        if self.is_draining:
            return "draining"
        return "starting" if self.engine.localizer is None else "ready"

    @cached_property
    def _catalogue(self) -> Catalogue:
        if self.engine.localizer is None:
            raise not_ready(self.state)
        return Catalogue(self.engine.localizer)

    @property
    def catalogue(self) -> Catalogue:
        """What is known of the database.

        Raises:
            RefusedError: it is not loaded yet.
        """
        return self._catalogue

    def check_open(self) -> None:
        """Are photos taken?

        Raises:
            RefusedError: not yet, or not any more.
        """
        if self.state != "ready":
            raise not_ready(self.state)

    @property
    def is_idle(self) -> bool:
        """Whether every photo has its answer."""
        return self.engine.is_idle and self.num_open == 0

    async def aside(self, work: Callable[..., Made], *arguments: Any) -> Made:  # noqa: ANN401 - the work's own
        """Do what would hold up other requests in one of few threads."""
        return await asyncio.get_running_loop().run_in_executor(self._helpers, work, *arguments)


def not_ready(state: State) -> RefusedError:
    """The refusal of a server that takes no photos now."""
    what = "the server is starting" if state == "starting" else "the server is stopping"
    return RefusedError(503, f"{what}: try again in a moment", 5)


def _loaded(database: Database, config: GeonavConfig) -> Localizer:
    """The networks and the index; on a graphics processor several photos are computed at once."""
    from geonav.vision.devices import pick_device

    batch = config.serve.max_batch or (1 if pick_device(config.device).type == "cpu" else _GPU_BATCH)
    local = config.local.model_copy(update={"batch_size": batch})
    localizer = Localizer(database, config.model_copy(update={"local": local}))
    _ = localizer.places  # not within the first request
    return localizer
