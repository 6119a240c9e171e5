"""One running server: its state, its parts and its limits, known to every route."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from geonav.data.database import Database
from geonav.serving.catalogue import Catalogue
from geonav.serving.engine import Engine
from geonav.serving.metrics import Metrics
from geonav.serving.multipart import Memory
from geonav.serving.references import StoredReferences
from geonav.serving.refusals import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from geonav.config import GeonavConfig

State = Literal["starting", "ready", "draining"]
_HELPERS = 2
Made = TypeVar("Made")


class Service:
    """What the routes share."""

    def __init__(self, database: Database, config: GeonavConfig) -> None:
        """Nothing is loaded yet; :meth:`Engine.start` does."""
        self.settings = config.serve
        self.engine = Engine(StoredReferences(database, config), config.serve.queue, config.serve.max_wait_ms / 1000)
        self.metrics = Metrics(self.engine)
        self.engine.on_batch = self.metrics.batch
        self.memory = Memory(int(config.serve.upload_memory_mb * 1e6))
        self._catalogue: Catalogue | None = None
        self.is_draining = False
        self.num_open = 0  # photos whose answers are not sent yet
        self._helpers = ThreadPoolExecutor(_HELPERS, thread_name_prefix="geonav-serve")

    @property
    def state(self) -> State:
        """Whether photos are taken."""
        if self.is_draining:
            return "draining"
        return "starting" if self.engine.localizer is None else "ready"

    @property
    def catalogue(self) -> Catalogue:
        """What is known of the database, as it is located against now.

        Raises:
            RefusedError: it is not loaded yet.
        """
        localizer, known = self.engine.localizer, self._catalogue
        if localizer is None:
            raise not_ready(self.state)
        if known is None or known.localizer is not localizer:
            known = self._catalogue = Catalogue(localizer)
        return known

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
