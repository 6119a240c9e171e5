"""The root of a generation: a small object that names the shards of all files, written last and never changed."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime

from geonav import __version__
from geonav.errors import DatabaseError
from geonav.pipeline.syncing.rows import BUCKETS, is_sha256

FORMAT = 1
MOST_BYTES = 4 << 20


@dataclass(frozen=True)
class ShardEntry:
    """One shard: its SHA-256, and how many files of how many bytes it lists."""

    sha256: str
    num_files: int
    num_bytes: int


@dataclass(frozen=True)
class Root:
    """What a database was at one push.

    Attributes:
        generation: counts pushes to a remote, from 1.
        shards: one a bucket; None where no file falls.
        created: when it was pushed, UTC.
        token: tells two pushes of the same files apart.
    """

    generation: int
    shards: tuple[ShardEntry | None, ...]
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    token: str = field(default_factory=lambda: secrets.token_hex(8))

    @property
    def buckets(self) -> int:
        """How many buckets files fall into."""
        return len(self.shards)

    @property
    def num_files(self) -> int:
        """How many files there are."""
        return sum(entry.num_files for entry in self.shards if entry)

    @property
    def num_bytes(self) -> int:
        """What they hold together."""
        return sum(entry.num_bytes for entry in self.shards if entry)

    def encode(self) -> bytes:
        """The object."""
        data = {
            "format": FORMAT,
            "generation": self.generation,
            "created": self.created.isoformat(),
            "token": self.token,
            "geonav_version": __version__,
            "files": self.num_files,
            "bytes": self.num_bytes,
            "shards": [entry and [entry.sha256, entry.num_files, entry.num_bytes] for entry in self.shards],
        }
        return (json.dumps(data, separators=(",", ":")) + "\n").encode()

    @classmethod
    def decode(cls, content: bytes, name: str) -> Root:
        """Read a root; ``name`` is what errors call it.

        Raises:
            DatabaseError: it is none, or of a newer geonav.
        """
        try:
            data = json.loads(content)
            made_as = data["format"]
            if made_as == FORMAT:
                shards = tuple(item if item is None else _entry(*item) for item in data["shards"])
                root = cls(int(data["generation"]), shards, datetime.fromisoformat(data["created"]), str(data["token"]))
                _check(root)
                return root
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            msg = f"{name} is not what geonav pushed ({error}): nothing was written"
            raise DatabaseError(msg) from error
        msg = f"{name} has format {made_as!r}, this geonav reads {FORMAT}: update geonav"
        raise DatabaseError(msg)


def _entry(sha256: object, files: object, size: object) -> ShardEntry:
    if not is_sha256(sha256) or type(files) is not int or type(size) is not int or files < 1 or size < 0:
        msg = "a shard is not named by its hash"
        raise ValueError(msg)
    return ShardEntry(str(sha256), files, size)


def _check(root: Root) -> None:
    buckets = root.buckets
    if not 0 < buckets <= BUCKETS or buckets & (buckets - 1) or root.created.tzinfo is None or root.generation < 1:
        msg = "its values contradict each other"
        raise ValueError(msg)
