"""The tables of the manifest; each writes inside a transaction that its caller opened."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence

from geonav.data.manifest_rows import Ground, Status, StoredQuery, panorama_to_json
from geonav.data.survey import Panorama, SearchQuery

Failure = tuple[str, str]
"""What failed, and why."""


class Table:
    """What all tables share: the file and the time."""

    def __init__(self, connection: sqlite3.Connection, timestamp: Callable[[], str]) -> None:
        self._connection = connection
        self._timestamp = timestamp


class SearchTable(Table):
    """Queries and the panoramas they found."""

    def plan(self, provider: str, queries: Iterable[SearchQuery]) -> None:
        """Add queries that are not known yet."""
        now = self._timestamp()
        self._connection.executemany(
            "INSERT OR IGNORE INTO queries VALUES (?, ?, ?, ?, ?, ?, 'pending', NULL, 0, ?)",
            (
                (provider, q.key, q.lat, q.lng, q.radius_m, None if q.box is None else json.dumps(q.box), now)
                for q in queries
            ),
        )

    def states(self, provider: str) -> dict[str, Status]:
        """How far each query has come, by key."""
        rows = self._connection.execute("SELECT key, status FROM queries WHERE provider = ?", (provider,))
        return {key: Status(status) for key, status in rows}

    def restart(self, provider: str, keys: Iterable[str]) -> None:
        """Let queries be asked once more; what they found is replaced by what they find then."""
        self._connection.executemany(
            "UPDATE queries SET status = 'pending', reason = NULL WHERE provider = ? AND key = ?",
            ((provider, key) for key in keys),
        )
        self._connection.execute(
            "UPDATE panoramas SET is_stale = 1 WHERE provider = ? AND pano_id IN (SELECT pano_id FROM finds"
            " JOIN queries USING (provider, key) WHERE provider = ? AND status = 'pending')",
            (provider, provider),
        )

    def end(self, provider: str, key: str, status: Status, reason: str | None = None) -> None:
        """Note how one call of a query ended that gave no panoramas."""
        self._end(provider, key, status, reason)
        if status is not Status.FAILED:
            self._connection.execute("DELETE FROM finds WHERE provider = ? AND key = ?", (provider, key))

    def found(self, provider: str, key: str, panoramas: Sequence[Panorama]) -> None:
        """Note what a query found."""
        self._end(provider, key, Status.DONE if panoramas else Status.NOTHING, None)
        self._connection.execute("DELETE FROM finds WHERE provider = ? AND key = ?", (provider, key))
        for panorama in panoramas:
            self.store(panorama)
            self._connection.execute(
                "INSERT OR IGNORE INTO finds VALUES (?, ?, ?)", (panorama.provider, panorama.pano_id, key)
            )

    def _end(self, provider: str, key: str, status: Status, reason: str | None) -> None:
        self._connection.execute(
            "UPDATE queries SET status = ?, reason = ?, attempts = attempts + 1, updated_at = ?"
            " WHERE provider = ? AND key = ?",
            (status, reason, self._timestamp(), provider, key),
        )

    def store(self, panorama: Panorama) -> None:
        """Add a panorama; of two descriptions the one that sorts first stays, so that their order does not matter."""
        record, name = panorama_to_json(panorama), (panorama.provider, panorama.pano_id)
        place = (panorama.lat, panorama.lng)
        needs_height = Status.PENDING if panorama.alt_m is None else None
        old = self._connection.execute(
            "SELECT record, is_stale, lat, lng, height_status FROM panoramas WHERE provider = ? AND pano_id = ?", name
        ).fetchone()
        if old is None:
            self._connection.execute(
                "INSERT INTO panoramas VALUES (?, ?, ?, ?, ?, ?, 0, 0, ?, NULL, 0, NULL, NULL, NULL, NULL, ?)",
                (*name, *place, panorama.captured_at, record, needs_height, self._timestamp()),
            )
            return
        if old[1] or record < old[0]:
            self._connection.execute(
                "UPDATE panoramas SET record = ?, captured_at = ?, lat = ?, lng = ?, is_stale = 0, is_gone = 0,"
                " updated_at = ? WHERE provider = ? AND pano_id = ?",
                (record, panorama.captured_at, *place, self._timestamp(), *name),
            )
            if old[2:4] != place or (old[4] is None) != (needs_height is None):
                self._connection.execute(
                    "UPDATE panoramas SET height_status = ?, height_reason = NULL, height_batch = NULL,"
                    " ground_m = NULL, ground_datum = NULL, ground_source = NULL WHERE provider = ? AND pano_id = ?",
                    (needs_height, *name),
                )

    def is_refreshing(self, provider: str) -> bool:
        """Whether a refresh was begun and not finished."""
        found = self._connection.execute("SELECT 1 FROM panoramas WHERE provider = ? AND is_stale LIMIT 1", (provider,))
        return found.fetchone() is not None

    def finish_refresh(self, provider: str) -> int:
        """Once no query is pending: panoramas that none finds any more are gone. How many there are."""
        self._connection.execute(
            "UPDATE panoramas SET is_gone = 1, updated_at = ? WHERE provider = ? AND is_stale AND NOT EXISTS"
            " (SELECT 1 FROM finds WHERE finds.provider = panoramas.provider AND finds.pano_id = panoramas.pano_id)",
            (self._timestamp(), provider),
        )
        self._connection.execute("UPDATE panoramas SET is_stale = 0 WHERE provider = ? AND is_stale", (provider,))
        gone = self._connection.execute(
            "SELECT count(*) FROM panoramas WHERE provider = ? AND is_gone", (provider,)
        ).fetchone()[0]
        return int(gone)

    def rows(self, provider: str | None = None) -> Iterator[StoredQuery]:
        """All queries by provider and key."""
        rows = self._connection.execute(
            "SELECT provider, key, lat, lng, radius_m, box, status, reason, attempts FROM queries"
            " WHERE provider = coalesce(?, provider) ORDER BY provider, key",
            (provider,),
        )
        for name, key, lat, lng, radius_m, box, status, reason, attempts in rows:
            query = SearchQuery(key, lat, lng, radius_m, None if box is None else tuple(json.loads(box)))
            yield StoredQuery(name, query, Status(status), reason, attempts)

    def counts(self) -> dict[str, dict[str, int]]:
        """Number of queries by provider and status."""
        return grouped(self._connection.execute("SELECT provider, status, count(*) FROM queries GROUP BY 1, 2"))

    def num_panoramas(self) -> dict[str, dict[str, int]]:
        """Number of panoramas by provider: found, and gone since."""
        return grouped(
            self._connection.execute(
                "SELECT provider, iif(is_gone, 'gone', 'found'), count(*) FROM panoramas GROUP BY 1, 2"
            )
        )

    def dates(self) -> dict[str, tuple[str, str]]:
        """First and last capture by provider, of panoramas that have a date."""
        rows = self._connection.execute(
            "SELECT provider, min(captured_at), max(captured_at) FROM panoramas WHERE captured_at NOT NULL GROUP BY 1"
        )
        return {provider: (first, last) for provider, first, last in rows}

    def failures(self, provider: str | None = None) -> list[Failure]:
        """Queries that failed, and why."""
        rows = self._connection.execute(
            "SELECT key, reason FROM queries WHERE status = 'failed' AND provider = coalesce(?, provider)"
            " ORDER BY provider, key",
            (provider,),
        )
        return [(key, reason or "") for key, reason in rows]


class HeightTable(Table):
    """The ground's height below panoramas that do not know their own."""

    def unplanned(self, provider: str | None = None) -> list[tuple[str, str, float, float]]:
        """Provider, id, latitude and longitude of panoramas that no batch asks for yet."""
        return self._connection.execute(
            "SELECT provider, pano_id, lat, lng FROM panoramas WHERE height_status = 'pending'"
            " AND height_batch IS NULL AND NOT is_gone AND provider = coalesce(?, provider) ORDER BY provider, pano_id",
            (provider,),
        ).fetchall()

    def plan(self, batches: Iterable[Sequence[tuple[str, str]]]) -> None:
        """Lay down which panoramas are asked for together, as sources may smooth the heights of one call."""
        last = self._connection.execute("SELECT coalesce(max(height_batch), 0) FROM panoramas").fetchone()[0]
        self._connection.executemany(
            "UPDATE panoramas SET height_batch = ? WHERE provider = ? AND pano_id = ?",
            ((number, *name) for number, batch in enumerate(batches, last + 1) for name in batch),
        )

    def unplan(self) -> None:
        """Put no panorama together with others any more."""
        self._connection.execute("UPDATE panoramas SET height_batch = NULL WHERE height_status = 'pending'")

    def batches(self, provider: str | None = None) -> list[list[tuple[str, str, float, float]]]:
        """Batches that are still to be asked for, each of provider, id, latitude and longitude.

        Of a batch that holds panoramas of several providers, the others' are left for another time.
        """
        rows = self._connection.execute(
            "SELECT height_batch, provider, pano_id, lat, lng FROM panoramas WHERE height_status = 'pending'"
            " AND height_batch IS NOT NULL AND NOT is_gone AND provider = coalesce(?, provider)"
            " ORDER BY height_batch, provider, pano_id",
            (provider,),
        )
        found: dict[int, list[tuple[str, str, float, float]]] = {}
        for number, *row in rows:
            found.setdefault(number, []).append(tuple(row))
        return list(found.values())

    def end(self, name: tuple[str, str], ground: Ground | None, status: Status, reason: str | None = None) -> None:
        """Note how the call for a panorama's ground ended; a height that was known stays after a failure."""
        self._connection.execute(
            "UPDATE panoramas SET height_status = ?, height_reason = ?, height_attempts = height_attempts + 1,"
            " updated_at = ? WHERE provider = ? AND pano_id = ?",
            (status, reason, self._timestamp(), *name),
        )
        if status is not Status.FAILED:
            values = (None, None, None) if ground is None else (ground.height_m, ground.datum, ground.source)
            self._connection.execute(
                "UPDATE panoramas SET ground_m = ?, ground_datum = ?, ground_source = ?"
                " WHERE provider = ? AND pano_id = ?",
                (*values, *name),
            )

    def is_refreshing(self, provider: str | None = None) -> bool:
        """Whether heights that are known are being asked for once more."""
        found = self._connection.execute(
            "SELECT 1 FROM panoramas WHERE height_status = 'pending' AND ground_m IS NOT NULL"
            " AND provider = coalesce(?, provider) LIMIT 1",
            (provider,),
        )
        return found.fetchone() is not None

    def restart(self, statuses: Sequence[Status], provider: str | None = None) -> None:
        """Let heights of these states be asked for once more, in new batches; a known height stays until then."""
        self._connection.executemany(
            "UPDATE panoramas SET height_status = 'pending', height_reason = NULL, height_batch = NULL"
            " WHERE height_status = ? AND provider = coalesce(?, provider)",
            [(status, provider) for status in statuses],
        )

    def counts(self) -> dict[str, dict[str, int]]:
        """Number of panoramas by provider and state of their ground's height; 'own' needs none."""
        return grouped(
            self._connection.execute(
                "SELECT provider, coalesce(height_status, 'own'), count(*) FROM panoramas WHERE NOT is_gone"
                " GROUP BY 1, 2"
            )
        )

    def failures(self, provider: str | None = None) -> list[Failure]:
        """Panoramas whose ground's height could not be fetched, and why."""
        rows = self._connection.execute(
            "SELECT pano_id, height_reason FROM panoramas WHERE height_status = 'failed'"
            " AND provider = coalesce(?, provider) ORDER BY provider, pano_id",
            (provider,),
        )
        return [(pano_id, reason or "") for pano_id, reason in rows]


def grouped(rows: Iterable[tuple[str, str, int]]) -> dict[str, dict[str, int]]:
    """Counts by provider and status."""
    found: dict[str, dict[str, int]] = {}
    for provider, status, count in rows:
        found.setdefault(provider, {})[status] = count
    return found
