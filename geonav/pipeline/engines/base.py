"""What an engine is asked to do, and what it gives back.

A stage describes its work once, as a :class:`Work`, and names the items it is to be done for. An engine has workers
open it, which is when networks are loaded, and hands items to them; every item comes back as one :class:`Done`, in any
order. A worker stores what it makes itself, under a temporary name first, so that an item that is done again after its
worker died gives the same file again and never half of one; what goes into one file for all items is written by
whoever asked.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Generic, Protocol, Self, TypeVar

from geonav.config import GeonavConfig

Item = TypeVar("Item")
Result = TypeVar("Result")
Item_contra = TypeVar("Item_contra", contravariant=True)
Result_co = TypeVar("Result_co", covariant=True)


class Worker(Protocol[Item_contra, Result_co]):
    """Holds what a kind of work needs."""

    def work(self, items: Iterable[Item_contra]) -> Iterator[Result_co]:
        """One result an item, in their order; what is stored of them is on disk when the iterator ends.

        Raises:
            GeonavError: nothing else would work either, as on a full disk; what is wrong with one item is its result.
        """


class Work(Protocol[Item_contra, Result_co]):
    """A kind of work, small enough to be sent to other processes."""

    def open(self) -> Worker[Item_contra, Result_co]:
        """Load what it needs, in the process that does it.

        Raises:
            GeonavError: it cannot be done there.
        """


@dataclass(frozen=True)
class Done(Generic[Item, Result]):
    """An item that nothing more will be done for.

    Attributes:
        item: as it was given.
        result: what its worker made of it; None where it was given up.
        failure: why it was given up; empty where it was not.
    """

    item: Item
    result: Result | None
    failure: str = ""


class Engine(Protocol):
    """Does work; made by ``from_config`` and entered before and left after it.

    Attributes:
        is_local: whether all work is done in this process.
    """

    is_local: bool

    @classmethod
    def from_config(cls, config: GeonavConfig) -> Self:
        """The engine that ``[engine]`` of ``config`` describes.

        Raises:
            UsageError: its settings do not go together.
            MissingError: an extra is not installed.
        """

    def __enter__(self) -> Self:
        """Begin.

        Raises:
            NetworkError: a cluster cannot be reached.
        """

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End what was begun."""

    def run(
        self, work: Work[Item, Result], items: Sequence[Item], own: Worker[Item, Result] | None = None
    ) -> Generator[Done[Item, Result], None, None]:
        """Have ``work`` done for all ``items``; close the generator to stop.

        Args:
            work: what is to be done.
            items: each is done once, though perhaps begun more often.
            own: the work, where this process has opened it already.

        Raises:
            GeonavError: a worker could not open the work, or raised it.
        """

    @staticmethod
    def here(config: GeonavConfig) -> GeonavConfig:
        """The settings for what the asking process itself has to load."""


def in_order(done: Iterable[Done[Item, Result]], items: Sequence[Item]) -> Generator[Done[Item, Result], None, None]:
    """What was done, in the order of ``items``: those that come early wait in memory.

    Items are told apart by their identity, so that the same one may be there twice.
    """
    waiting: dict[int, list[Done[Item, Result]]] = {}
    next_up = 0
    for each in done:
        waiting.setdefault(id(each.item), []).append(each)
        while next_up < len(items) and waiting.get(id(items[next_up])):
            yield waiting[id(items[next_up])].pop()
            next_up += 1
