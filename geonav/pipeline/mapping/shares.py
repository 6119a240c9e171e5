"""``geonav map build --shard``: a share of the pairs matched, so that a run of everything finds their links."""

from __future__ import annotations

from dataclasses import dataclass

from geonav.config import GeonavConfig
from geonav.data.database import Database
from geonav.data.progress import OnProgress
from geonav.data.shards import Shard
from geonav.errors import DatabaseError
from geonav.pipeline.engines.registry import engine_of
from geonav.pipeline.mapping.build import MapWork
from geonav.pipeline.mapping.linking import Pair
from geonav.pipeline.mapping.pairs import closing_pairs


@dataclass(frozen=True)
class ShareReport:
    """What matching a share did.

    Attributes:
        matched: pairs matched now.
        reused: pairs whose links were there.
        note: what is still to be done; empty where nothing is.
    """

    matched: int
    reused: int
    note: str = ""


def match_share(
    database: Database, config: GeonavConfig, shard: Shard, on_progress: OnProgress | None = None
) -> ShareReport:
    """Match the pairs whose first reference belongs to the share; nothing is adjusted.

    Where the links of all shares are there, those that close their loops are matched too, by shares again.

    Raises:
        DatabaseError: the database is not indexed whole; says what to run.
        GeonavError: as :func:`geonav.pipeline.mapping.build.build_map`.
    """
    with database.lock(shard), engine_of(config) as engine:
        work = MapWork.of(database, config, on_progress, engine, is_share=True)
        if work.place.num_missing:
            msg = f"{work.place.num_missing} entries of {database.path} are not in its index: run `geonav index global`"
            raise DatabaseError(msg)
        pairs = work.pairs(None)
        own = _own(pairs, shard)
        work.matching.link(own, work.views)
        found = work.linker.known(pairs, work.views)
        if len(found) < len(pairs):
            note = f"{len(pairs) - len(found)} pairs of other shards are not matched yet"
            return ShareReport(work.matching.matched, len(own) - work.matching.matched, note)
        more = closing_pairs({pair: len(link.pairs) for pair, link in found.items()}, work.least, work.views)
        own += (closing_own := _own([pair for pair in more if pair not in found], shard))
        work.matching.link(closing_own, work.views)
        return ShareReport(work.matching.matched, len(own) - work.matching.matched)


def _own(pairs: list[Pair], shard: Shard) -> list[Pair]:
    # By the first reference: its links are one file, which one process at a time may write.
    return [pair for pair in pairs if shard.holds(pair[0])]
