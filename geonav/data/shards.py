"""A share of the work: one of several that hold everything once, whatever else there is or was done before."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Self, TypeVar

from geonav.errors import UsageError

Item = TypeVar("Item")


@dataclass(frozen=True)
class Shard:
    """The share ``number`` of ``count``.

    What belongs to it depends on the name of a thing alone: things that are added move none that are there, and no two
    machines need to agree on a list.

    Attributes:
        number: from 1 to ``count``.
        count: of shares.
    """

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """From ``3/16``.

        Raises:
            UsageError: it is none.
        """
        found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text.strip())
        if found is None or not 1 <= int(found[1]) <= int(found[2]):
            msg = f"--shard '{text}' is no share: write 1/16 for the first of sixteen, up to 16/16"
            raise UsageError(msg)
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    @property
    def label(self) -> str:
        """As part of a file's name."""
        return f"{self.number}-of-{self.count}"

    def holds(self, name: str) -> bool:
        """Whether the thing of this name belongs to it."""
        digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
        return int.from_bytes(digest[:8], "big") % self.count == self.number - 1


def share(shard: Shard | None, items: Iterable[Item], name: Callable[[Item], str]) -> list[Item]:
    """Those of ``items`` whose ``name`` belongs to the shard; all where there is none."""
    return [item for item in items if shard is None or shard.holds(name(item))]
