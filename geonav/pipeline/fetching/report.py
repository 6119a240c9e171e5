"""What a fetch takes beside the configuration, and what it did."""

from __future__ import annotations

from dataclasses import dataclass, field

from geonav.data.shards import Shard
from geonav.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class FetchOptions:
    """What to ask for beside what was never asked for.

    Attributes:
        retry_failed: what failed before.
        refresh: everything, replacing what is there.
        shard: of all that, a share alone.
    """

    retry_failed: bool = False
    refresh: bool = False
    shard: Shard | None = None

    def __post_init__(self) -> None:
        """Refuse what does not go together.

        Raises:
            UsageError: a share is to be fetched anew.
        """
        if self.shard is not None and self.refresh:
            msg = "--refresh ends once everything was asked for again, which no --shard can tell: leave one out"
            raise UsageError(msg)


@dataclass(frozen=True)
class FetchReport:
    """What one step of fetching did.

    Attributes:
        stage: metadata, elevation or panoramas.
        source: name of the provider or of the height source.
        done: queries, panoramas or views that this run brought to an end.
        counts: of all queries, panoramas or views of the source, by state.
        paid_calls: that this run made.
        cost_usd: of them.
        failed: what could not be fetched so far, each with the reason.
        missing: what the provider has not, or no longer, each with the reason.
        notes: what else should be known.
    """

    stage: str
    source: str
    done: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    paid_calls: int = 0
    cost_usd: float = 0.0
    failed: list[tuple[str, str]] = field(default_factory=list)
    missing: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
