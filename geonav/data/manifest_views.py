"""The manifest's tables of views and of spend; each writes inside a transaction that its caller opened."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from geonav.data.manifest_rows import Status, StoredView
from geonav.data.manifest_tables import Failure, Table, grouped
from geonav.data.survey import ViewSpec


class ViewTable(Table):
    """Views of panoramas."""

    def plan(self, name: tuple[str, str], views: Iterable[tuple[ViewSpec, str]]) -> None:
        """Add views with the uids of their entries; a view that was planned otherwise and is not done is replaced."""
        now = self._timestamp()
        self._connection.executemany(
            "INSERT INTO views VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'pending', NULL, 0, ?, NULL, 0, ?)"
            " ON CONFLICT (provider, pano_id, view) DO UPDATE SET azimuth_deg = excluded.azimuth_deg,"
            " pitch_deg = excluded.pitch_deg, fov_deg = excluded.fov_deg, width = excluded.width,"
            " height = excluded.height, status = iif(status = 'done', status, 'pending'), reason = NULL",
            ((*name, *_columns(spec), uid, now) for spec, uid in views),
        )

    def drop(self, name: tuple[str, str], count: int) -> None:
        """Forget a panorama's views from the index ``count`` on."""
        self._connection.execute("DELETE FROM views WHERE provider = ? AND pano_id = ? AND view >= ?", (*name, count))

    def begin_refresh(self, uids: Iterable[str]) -> None:
        """Let views be fetched once more that are there."""
        self._connection.executemany(
            "UPDATE views SET status = 'pending', reason = NULL, is_refresh = 1 WHERE uid = ?",
            ((uid,) for uid in uids),
        )

    def between(self, after: tuple[str, str], last: tuple[str, str]) -> dict[tuple[str, str], list[StoredView]]:
        """Views by provider and id of the panoramas behind ``after`` up to ``last``."""
        rows = self._connection.execute(
            "SELECT provider, pano_id, view, azimuth_deg, pitch_deg, fov_deg, width, height, status, reason, attempts,"
            " uid, stamp, is_refresh FROM views WHERE (provider, pano_id) > (?, ?) AND (provider, pano_id) <= (?, ?)"
            " ORDER BY provider, pano_id, view",
            (*after, *last),
        )
        found: dict[tuple[str, str], list[StoredView]] = {}
        for provider, pano_id, *spec, status, reason, attempts, uid, stamp, is_refresh in rows:
            view = StoredView(ViewSpec(*spec), Status(status), reason, attempts, uid, stamp, bool(is_refresh))
            found.setdefault((provider, pano_id), []).append(view)
        return found

    def end(self, uid: str, status: Status, reason: str | None = None, stamp: str | None = None) -> None:
        """Note how the fetch of a view ended."""
        self._connection.execute(
            "UPDATE views SET status = ?, reason = ?, attempts = attempts + 1, stamp = coalesce(?, stamp),"
            " is_refresh = iif(? = 'done', 0, is_refresh), updated_at = ? WHERE uid = ?",
            (status, reason, stamp, status, self._timestamp(), uid),
        )

    def restamp(self, uid: str, stamp: str) -> None:
        """Note that an entry's metadata was made anew."""
        self._connection.execute(
            "UPDATE views SET stamp = ?, updated_at = ? WHERE uid = ?", (stamp, self._timestamp(), uid)
        )

    def restart(self, provider: str, statuses: Sequence[Status], *, is_refresh: bool = False) -> None:
        """Let views of these states be fetched once more; ``is_refresh`` says that their entries are out of date."""
        self._connection.executemany(
            "UPDATE views SET status = 'pending', reason = NULL, is_refresh = is_refresh OR ?"
            " WHERE provider = ? AND status = ?",
            [(is_refresh, provider, status) for status in statuses],
        )

    def is_refreshing(self, provider: str) -> bool:
        """Whether pictures that are there are being fetched once more."""
        found = self._connection.execute(
            "SELECT 1 FROM views WHERE provider = ? AND status = 'pending' AND is_refresh LIMIT 1", (provider,)
        )
        return found.fetchone() is not None

    def counts(self) -> dict[str, dict[str, int]]:
        """Number of views by provider and status."""
        return grouped(self._connection.execute("SELECT provider, status, count(*) FROM views GROUP BY 1, 2"))

    def failures(self, status: Status, provider: str | None = None) -> list[Failure]:
        """Views that failed or are missing, by uid, and why."""
        rows = self._connection.execute(
            "SELECT uid, reason FROM views WHERE status = ? AND provider = coalesce(?, provider) ORDER BY uid",
            (status, provider),
        )
        return [(uid, reason or "") for uid, reason in rows]


class SpendTable(Table):
    """Paid calls by month."""

    def add(self, sku: str, calls: int = 1) -> None:
        """Count paid calls of this month."""
        self._connection.execute(
            "INSERT INTO spend VALUES (?, ?, ?) ON CONFLICT (month, sku) DO UPDATE SET calls = calls + excluded.calls",
            (self._month(), sku, calls),
        )

    def this_month(self, sku: str) -> int:
        """Paid calls of this month so far."""
        row = self._connection.execute(
            "SELECT calls FROM spend WHERE month = ? AND sku = ?", (self._month(), sku)
        ).fetchone()
        return int(row[0]) if row else 0

    def rows(self) -> list[tuple[str, str, int]]:
        """Month, what the calls are billed as, and their number."""
        return self._connection.execute("SELECT month, sku, calls FROM spend ORDER BY month, sku").fetchall()

    def _month(self) -> str:
        return self._timestamp()[:7]


def _columns(spec: ViewSpec) -> tuple[int, float, float, float, int, int]:
    return spec.index, spec.azimuth_deg, spec.pitch_deg, spec.fov_deg, spec.width, spec.height
