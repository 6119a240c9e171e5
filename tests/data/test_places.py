"""The table of places: what it says of entries, and that it is read once and then kept up to date."""

from __future__ import annotations

import json
import os
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from geonav.data.database import Database
from geonav.data.metadata import ImageMetadata
from geonav.data.places import Places, day_range
from geonav.errors import InputError
from geonav.geometry.geodesy import GeoPoint
from tests.data.photos import jpeg

PHOTO = jpeg()


def _add(database: Database, uid: str, **known: Any) -> None:
    database.add_entry(uid, PHOTO, ImageMetadata(w=64, h=48, K=None, **known))


@pytest.fixture
def database(tmp_path: Path) -> Database:
    made = Database.create(tmp_path / "db", GeoPoint(48.9, 8.4, 130))
    _add(made, "a", lat=48.9, lng=8.4, azn=-90.0, provider="google", captured_at="2019-05", pano_id="p1")
    _add(made, "b", lat=48.91, lng=8.41, provider="google", captured_at="2021-02-03T10:00:00Z", pano_id="p1")
    _add(made, "c", captured_at="long ago")
    return made


def test_columns_say_what_is_known(database: Database) -> None:
    places = Places.of(database)
    assert places.uids == ["a", "b", "c"]
    assert places.lat.tolist()[:2] == [48.9, 48.91]
    assert np.isnan(places.lat[2])
    assert places.azimuth[0] == 270.0
    assert np.isnan(places.azimuth[1:]).all()
    assert [places.provider[row] for row in range(3)] == ["google", "google", ""]
    assert [places.panorama[row] for row in range(3)] == ["p1", "p1", ""]
    days = list(zip(places.first_day.tolist(), places.last_day.tolist(), strict=True))
    may = date(2019, 5, 1).toordinal(), date(2019, 5, 31).toordinal()
    assert days == [may, (date(2021, 2, 3).toordinal(),) * 2, (-1, -1)]


def test_a_pose_without_a_position_gives_one(database: Database) -> None:
    pose = np.eye(4)
    pose[:3, 3] = -np.array([0.0, 1000.0, 0.0])  # a kilometre north of the origin
    _add(database, "d", E=pose.tolist())
    places = Places.of(database)
    assert places.lat[3] == pytest.approx(48.9 + 1000 / 111_200, abs=1e-4)
    assert places.lng[3] == pytest.approx(8.4)


def _count_reads(database: Database, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    read: list[str] = []
    once = Database.metadata

    def metadata(self: Database, uid: str) -> ImageMetadata:
        read.append(uid)
        return once(self, uid)

    monkeypatch.setattr(Database, "metadata", metadata)
    return read


def test_only_what_changed_is_read_again(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    Places.of(database)
    read = _count_reads(database, monkeypatch)
    again = Places.of(Database.open(database.path))
    assert (read, again.uids, again.provider[1]) == ([], ["a", "b", "c"], "google")

    changed = database.metadata("b").model_copy(update={"provider": "mapillary"})
    database.replace_metadata("b", changed)
    _add(database, "aa", lat=1.0, lng=2.0, provider="mine")
    database.remove_entry("a")
    read.clear()
    after = Places.of(Database.open(database.path))
    assert sorted(read) == ["aa", "b"]
    assert after.uids == ["aa", "b", "c"]
    assert [after.provider[row] for row in range(3)] == ["mine", "mapillary", ""]
    assert after.lat[0] == 1.0
    assert after.lat[1] == 48.91
    read.clear()
    Places.of(Database.open(database.path))
    assert read == []


def test_a_broken_or_foreign_table_is_made_anew(database: Database) -> None:
    whole = Places.of(database)
    file = database.path / ".geonav" / "places.npz"
    for content in (b"", file.read_bytes()[:200], b"PK\x03\x04 no archive"):
        file.write_bytes(content)
        assert Places.of(database).lat.tolist()[:2] == whole.lat.tolist()[:2]
    np.savez(file, format=np.array(99))
    assert Places.of(database).uids == whole.uids


def test_entries_that_cannot_be_read_stay_unknown(database: Database) -> None:
    (database.path / "a" / "metadata.json").write_text("{")
    (database.path / "b" / "metadata.json").unlink()
    places = Places.of(database)
    assert places.uids == ["a", "b", "c"]
    assert np.isnan(places.lat).all()
    (database.path / "a" / "metadata.json").write_text(json.dumps({"w": 4, "h": 3, "K": None, "lat": 1.0, "lng": 2.0}))
    assert Places.of(database).lat[0] == 1.0


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_database_that_cannot_be_written_can_be_asked(database: Database) -> None:
    own = database.path / ".geonav"
    own.chmod(0o500)
    try:
        assert Places.of(database).lat[0] == 48.9
        assert not (own / "places.npz").exists()
    finally:
        own.chmod(0o700)


def test_an_empty_database_has_an_empty_table(tmp_path: Path) -> None:
    assert len(Places.of(Database.create(tmp_path / "empty"))) == 0


def test_dates_and_their_beginnings() -> None:
    assert day_range("2024-02") == (date(2024, 2, 1).toordinal(), date(2024, 2, 29).toordinal())
    assert day_range("2023")[1] - day_range("2023")[0] == 364
    for wrong in ("", "2024-13", "2024-02-30", "24-01-01", "yesterday", "0000"):
        with pytest.raises(InputError, match="is no date"):
            day_range(wrong)
