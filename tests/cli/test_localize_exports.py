"""``geonav localize --kml`` and ``--write-exif``, with a localizer that only plays one."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from geonav.data.images import read_exif
from tests.cli.conftest import Run
from tests.cli.test_localize import _scripted  # noqa: F401 - the scripted localizer, for every test here
from tests.data.photos import jpeg


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / "photos" / name for name in ("a.jpg", "nowhere.jpg")]
    paths[0].parent.mkdir()
    for path in paths:
        path.write_bytes(jpeg())
    return paths


def test_kml_and_exif_are_written(photos: list[Path], tmp_path: Path, run: Run) -> None:
    before = photos[0].read_bytes()
    ended = run("localize", *photos, "--kml", "out.kml", "--write-exif", "--json")
    copy = tmp_path / "photos" / "located" / "a.jpg"
    assert (ended.code, ended.out.count("\n")) == (6, 2)
    assert f"EXIF written: {copy}\n" in ended.err
    assert photos[0].read_bytes() == before
    exif = read_exif(copy)
    assert (exif.lat_deg, exif.lng_deg, exif.alt_m, exif.alt_datum) == (48.5, -8.25, 130.5, "wgs84")
    assert [path.name for path in copy.parent.iterdir()] == ["a.jpg"]
    root = ET.parse(tmp_path / "out.kml").getroot()  # noqa: S314 - written a line above
    assert [name.text for name in root.iter("{http://www.opengis.net/kml/2.2}heading")] == ["12.5"]


def test_in_place_changes_the_photo(photos: list[Path], run: Run) -> None:
    assert run("localize", photos[0], "--write-exif", "--in-place").code == 0
    assert read_exif(photos[0]).heading_deg == 12.5
    assert not (photos[0].parent / "located").exists()


def test_broken_exif_does_not_end_the_run(photos: list[Path], run: Run) -> None:
    payload = b"Exif\0\0nonsense"
    segment = b"\xff\xe1" + (len(payload) + 2).to_bytes(2, "big") + payload
    photos[0].write_bytes(b"\xff\xd8" + segment + photos[0].read_bytes()[2:])
    photos[1].rename(photos[1].with_name("b.jpg"))
    ended = run("localize", photos[0], photos[1].with_name("b.jpg"), "--write-exif")
    assert ended.code == 6
    assert "EXIF not written: " in ended.err
    assert (photos[0].parent / "located" / "b.jpg").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (["--in-place"], 2, "--write-exif"),
        (["--kml", "absent/out.kml"], 3, "no folder absent"),
        (["--write-exif"], 3, "not a JPEG"),
    ],
)
def test_what_cannot_work_is_said_before_anything_is_located(
    arguments: list[str], code: int, reason: str, tmp_path: Path, run: Run
) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n")
    ended = run("localize", "a.png", *arguments)
    assert (ended.code, ended.out, ended.err.count("\n")) == (code, "", 1)
    assert reason in ended.err
