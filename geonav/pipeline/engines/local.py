"""The engine that does all work in this process, one item after the other."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from types import TracebackType
from typing import Self, TypeVar

from geonav.config import GeonavConfig
from geonav.errors import UsageError
from geonav.pipeline.engines.base import Done, Work, Worker

Item = TypeVar("Item")
Result = TypeVar("Result")


class LocalEngine:
    """Works in the asking thread; workers read ahead and write behind it in threads of their own."""

    is_local = True

    @classmethod
    def from_config(cls, config: GeonavConfig) -> Self:
        """The one there is.

        Raises:
            UsageError: a cluster or a number of workers was asked for.
        """
        section = config.engine
        for name, option in (("ray_address", "--ray-address"), ("workers", "--workers")):
            if getattr(section, name) is not None:
                msg = (
                    f"{option} says how --engine ray works, and the engine is local: add --engine ray, or leave it out"
                )
                raise UsageError(msg)
        return cls()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Nothing was begun."""

    def run(
        self, work: Work[Item, Result], items: Sequence[Item], own: Worker[Item, Result] | None = None
    ) -> Generator[Done[Item, Result], None, None]:
        """In the order of ``items``."""
        results: Iterator[Result] = (own or work.open()).work(items)
        try:
            for item, result in zip(items, results, strict=True):
                yield Done(item, result)
        finally:
            if isinstance(results, Generator):
                results.close()  # at once: it waits for what is being written

    @staticmethod
    def here(config: GeonavConfig) -> GeonavConfig:
        """As they are: the process that asks is the one that works."""
        return config
