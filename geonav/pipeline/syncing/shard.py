"""A shard: the rows of one bucket's files, as an object named by its own SHA-256.

gzip over JSON: ``{"packs": [[id, bytes], ...], "files": [[path, size, mtime_ns, sha256, pack, offset, length, ...]]}``,
where ``pack`` counts in ``packs``. Files of one entry share a shard, so that a new entry rewrites one.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from geonav.errors import DatabaseError
from geonav.pipeline.syncing.rows import BUCKETS, FileRow, bucket_of, from_json, is_sha256, to_json, unit_of

MOST_BYTES = 64 << 20
_MOST_UNPACKED_BYTES = 256 << 20


@dataclass(frozen=True)
class Shard:
    """Files by their path, and how large the packs are that they lie in."""

    rows: Mapping[str, FileRow]
    pack_bytes: Mapping[str, int]


def encode(rows: Iterable[FileRow], pack_bytes: Mapping[str, int]) -> bytes:
    """The object of a shard; the same rows give the same bytes."""
    ordered = sorted(rows, key=lambda row: row.path)
    packs = sorted({part.pack for row in ordered for part in row.segments})
    number = {pack: index for index, pack in enumerate(packs)}
    files = [to_json(row, number.__getitem__) for row in ordered]
    data = {"packs": [[pack, pack_bytes[pack]] for pack in packs], "files": files}
    return gzip.compress(json.dumps(data, separators=(",", ":")).encode(), 6, mtime=0)


def decode(content: bytes, name: str, bucket: int, buckets: int) -> Shard:
    """Read a shard.

    Args:
        content: of the object.
        name: what errors call it.
        bucket: of ``buckets``; a file that does not belong there is refused.
        buckets: how many there are.

    Raises:
        DatabaseError: it is no shard, or names files outside a database.
    """
    try:
        data = json.loads(_unpacked(content))
        packs = {pack: size for pack, size in data["packs"] if is_sha256(pack) and type(size) is int and size > 0}
        # By number in a mapping: a negative one in a list would count from its end.
        names = dict(enumerate(pack for pack, _ in data["packs"]))
        rows = [from_json(item, names.__getitem__) for item in data["files"]]
        _check(rows, packs, bucket, buckets)
    except (ValueError, KeyError, TypeError, IndexError, EOFError, OSError, zlib.error, RecursionError) as error:
        msg = f"{name} is not a list of a database's files ({error}): nothing was written"
        raise DatabaseError(msg) from error
    return Shard({row.path: row for row in rows}, packs)


def sha256_of(content: bytes) -> str:
    """The name of an object."""
    return hashlib.sha256(content).hexdigest()


def _unpacked(content: bytes) -> bytes:
    unpacker = zlib.decompressobj(31)
    data = unpacker.decompress(content, _MOST_UNPACKED_BYTES)
    if not unpacker.eof:
        msg = "it is cut short or unreasonably large"
        raise ValueError(msg)
    return data


def _check(rows: list[FileRow], packs: Mapping[str, int], bucket: int, buckets: int) -> None:
    paths = {row.path for row in rows}
    if len(paths) < len(rows):
        msg = "a file is there twice"
        raise ValueError(msg)
    for row in rows:
        if bucket_of(unit_of(row.path), buckets) != bucket or not 0 < buckets <= BUCKETS:
            msg = f"{row.path!r} belongs elsewhere"
            raise ValueError(msg)
        if any(part.offset + part.length > packs.get(part.pack, 0) for part in row.segments):
            msg = f"{row.path!r} lies outside its pack"
            raise ValueError(msg)
        if any(parent in paths for parent in _parents(row.path)):
            msg = f"{row.path!r} lies in a file"
            raise ValueError(msg)


def _parents(path: str) -> Iterable[str]:
    while "/" in path:
        path, _, _ = path.rpartition("/")
        yield path
