"""Shares of a fetch, at the same time or killed on the way, come to what one run fetches, and pay for it once."""

from __future__ import annotations

import signal
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from geonav.config import GeonavConfig
from geonav.data.database import Database
from geonav.data.manifest import Manifest, manifest_path
from geonav.data.manifest_shards import cell_of
from geonav.data.shards import Shard
from geonav.errors import UsageError
from geonav.pipeline.fetching import FetchOptions, fetch_elevation, fetch_metadata, fetch_panoramas
from tests.pipeline.fake_sources import World, sampling
from tests.pipeline.test_fetching import config_of, fetch_all, files_of, world  # noqa: F401 - a fixture

SHARES = [FetchOptions(shard=Shard(number, 3)) for number in (2, 3, 1)]


@pytest.fixture
def config() -> GeonavConfig:
    return config_of()


def tables(path: Path) -> dict[str, list[Any]]:
    """What the manifest says, without the numbers of calls that were made together."""
    asked = {
        "queries": "SELECT provider, key, status, attempts FROM queries ORDER BY 1, 2",
        "finds": "SELECT * FROM finds ORDER BY 1, 2, 3",
        "panoramas": "SELECT provider, pano_id, record, height_status, height_attempts, ground_m, ground_source"
        " FROM panoramas ORDER BY 1, 2",
        "views": "SELECT * FROM views ORDER BY 1, 2, 3",
        "pictures": "SELECT month, sku, calls FROM spend WHERE sku NOT LIKE '%elevation%' ORDER BY 1, 2",
    }
    connection = sqlite3.connect(manifest_path(path))
    found = {name: connection.execute(statement).fetchall() for name, statement in asked.items()}
    connection.close()
    return found


def shares_of(path: Path) -> list[str]:
    return sorted(file.name for file in (path / ".geonav").glob("manifest-*"))


def by_shares(path: Path, config: GeonavConfig) -> Database:
    """Every step by shares, each ended by a run of everything, which has nothing left to ask."""
    for options in SHARES:
        fetch_metadata(path, sampling(), config, options=options)
    assert shares_of(path) == [f"manifest-{number}-of-3.sqlite" for number in (1, 2, 3)]
    assert fetch_metadata(path, sampling(), config).done == 0
    assert shares_of(path) == []
    database = Database.open(path)
    for step in (fetch_elevation, fetch_panoramas):
        assert sum(step(Database.open(path), config, None, options).done for options in SHARES) > 0
        assert step(Database.open(path), config).done == 0
    return database


def test_shares_fetch_what_one_run_does(tmp_path: Path, config: GeonavConfig, world: World) -> None:  # noqa: F811
    fetch_all(tmp_path / "whole", config)
    asked = {kind: world.count(kind) for kind in ("search", "picture")}
    database = by_shares(tmp_path / "shared", config)
    assert {kind: world.count(kind) for kind in asked} == {kind: 2 * count for kind, count in asked.items()}
    assert tables(tmp_path / "whole") == tables(database.path)
    assert files_of(tmp_path / "whole") == files_of(database.path)


def test_a_share_goes_on_where_it_stopped_and_asks_for_nothing_twice(
    tmp_path: Path,
    config: GeonavConfig,
    world: World,  # noqa: F811
) -> None:
    fetch_metadata(tmp_path / "db", sampling(), config)
    fetch_elevation(Database.open(tmp_path / "db"), config)

    told: list[object] = []

    def stop(event: object) -> None:
        told.append(event)
        if len(told) == 1:  # a second one would not wait for what is under way
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        fetch_panoramas(Database.open(tmp_path / "db"), config, stop, SHARES[0])
    for options in [*SHARES, *SHARES]:
        fetch_panoramas(Database.open(tmp_path / "db"), config, None, options)
    assert world.count("picture") == 24
    report = fetch_panoramas(Database.open(tmp_path / "db"), config)
    assert (report.done, report.counts) == (0, {"done": 24})
    with Manifest.open(tmp_path / "db", read_only=True) as manifest:
        assert [calls for _, sku, calls in manifest.spend.rows() if "elevation" not in sku] == [24]


def test_a_run_killed_while_it_took_over_counts_calls_once(tmp_path: Path, config: GeonavConfig) -> None:
    fetch_metadata(tmp_path / "db", sampling(), config)
    fetch_panoramas(Database.open(tmp_path / "db"), config, None, SHARES[0])
    part = tmp_path / "db/.geonav/manifest-2-of-3.sqlite"
    content = part.read_bytes()
    fetch_panoramas(Database.open(tmp_path / "db"), config)
    before = tables(tmp_path / "db")
    part.write_bytes(content)  # as if the kill came before it was removed
    assert fetch_panoramas(Database.open(tmp_path / "db"), config).done == 0
    assert tables(tmp_path / "db") == before
    assert not part.exists()


def test_a_refresh_is_of_everything(config: GeonavConfig) -> None:
    with pytest.raises(UsageError, match="--refresh ends once everything was asked for again"):
        FetchOptions(refresh=True, shard=Shard(1, 2))


def test_neighbours_are_asked_for_together() -> None:
    assert cell_of(48.94012, 8.40008) == cell_of(48.94031, 8.39979)
    assert cell_of(48.94012, 8.40008) != cell_of(48.95, 8.40008)
