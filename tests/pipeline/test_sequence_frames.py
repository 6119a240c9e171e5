"""The frames of a folder come in the order of their times."""

from __future__ import annotations

from pathlib import Path

import piexif
import pytest
from PIL import Image

from geonav.errors import InputError
from geonav.pipeline.sequence_frames import folder_frames, open_sequence
from tests.providers.films import greys, write_film


def _photo(folder: Path, name: str, taken: str | None = None, offset: str | None = None) -> None:
    exif = {piexif.ExifIFD.DateTimeOriginal: f"2026:05:01 {taken}"} if taken else {}
    if offset:
        exif[piexif.ExifIFD.OffsetTimeOriginal] = offset
    Image.new("RGB", (32, 24)).save(folder / name, exif=piexif.dump({"Exif": exif}))


def test_exif_times_decide_not_names(tmp_path: Path) -> None:
    _photo(tmp_path, "IMG_9999.jpg", "10:00:00")
    _photo(tmp_path, "IMG_0001.jpg", "10:00:03")
    _photo(tmp_path, "IMG_0002.jpg", "10:01:00")
    found = folder_frames(tmp_path)
    assert [Path(frame.name).name for frame in found] == ["IMG_9999.jpg", "IMG_0001.jpg", "IMG_0002.jpg"]
    assert [frame.time_s for frame in found] == [0.0, 3.0, 60.0]
    assert found[1].captured_at == "2026-05-01T10:00:03"


def test_folders_inside_are_not_the_sequence(tmp_path: Path) -> None:
    _photo(tmp_path, "a.jpg", "10:00:00")
    (tmp_path / "located").mkdir()
    _photo(tmp_path / "located", "a.jpg", "10:00:00")
    assert [Path(frame.name) for frame in folder_frames(tmp_path)] == [tmp_path / "a.jpg"]
    (tmp_path / "a.jpg").unlink()
    with pytest.raises(InputError, match="holds pictures in folders only"):
        folder_frames(tmp_path)


def test_offsets_from_utc_count(tmp_path: Path) -> None:
    _photo(tmp_path, "a.jpg", "12:00:00", "+02:00")
    _photo(tmp_path, "b.jpg", "10:00:05", "+00:00")
    assert [frame.time_s for frame in folder_frames(tmp_path)] == [0.0, 5.0]


def test_a_frame_rate_stands_in_for_times(tmp_path: Path) -> None:
    for name in ("b.jpg", "a.jpg", "c.png"):
        _photo(tmp_path, name)
    source = open_sequence(tmp_path, 4.0)
    assert source.count == 3
    frames = list(source.frames)
    assert [Path(frame.name).name for frame in frames] == ["a.jpg", "b.jpg", "c.png"]
    assert [frame.time_s for frame in frames] == [0.0, 0.25, 0.5]


@pytest.mark.parametrize(
    ("photos", "words"),
    [
        (
            [("a.jpg", "10:00:00"), ("b.jpg", None)],
            r"1 of 2 photos in .* do not say when .*\(b\.jpg\): give --frame-rate",
        ),
        ([("b.jpg", "10:00:00"), ("a.jpg", "10:00:00")], r"a\.jpg and b\.jpg in .* were both taken at 2026-05-01T10"),
        ([("a.jpg", "10:00:00", "+02:00"), ("b.jpg", "10:00:05")], "some photos in .* offset from UTC"),
        ([], "holds no picture"),
    ],
)
def test_times_that_do_not_order_the_photos_are_one_line(
    tmp_path: Path, photos: list[tuple[str, ...]], words: str
) -> None:
    for photo in photos:
        _photo(tmp_path, *photo)
    with pytest.raises(InputError, match=words):
        folder_frames(tmp_path)


def test_a_videos_frames_are_files_one_at_a_time(tmp_path: Path) -> None:
    film = write_film(tmp_path / "walk.mp4", greys(20), began="2026-05-01T10:00:00Z")
    source = open_sequence(film)
    assert source.count in {4, 5}
    names, files = [], []
    for frame in source.frames:
        with Image.open(frame.path) as picture:
            assert picture.size == (64, 48)
        names.append((frame.name, frame.time_s, frame.captured_at))
        files.append(frame.path)
    assert names[1] == (f"{film}#t=0.500", 0.5, "2026-05-01T10:00:00.500000+00:00")
    assert len(names) == 4
    assert not any(file.exists() for file in files)


def test_nothing_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no .*gone"):
        open_sequence(tmp_path / "gone")
