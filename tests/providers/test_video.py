"""Frames of a video come at the times they were taken, upright, and a bad video is one line."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from geonav.errors import InputError, MissingError
from geonav.providers.video import num_frames, video_frames
from tests.providers.films import greys, write_film, write_sound


def test_frames_come_at_the_rate_asked_for(tmp_path: Path) -> None:
    film = write_film(tmp_path / "a.mp4", greys(30))
    frames = list(video_frames(film, 2.0))
    assert [frame.time_s for frame in frames] == pytest.approx([0.0, 0.5, 1.0, 1.5, 2.0, 2.5])
    assert [round(float(frame.pixels.mean()) / 8) for frame in frames] == [0, 5, 10, 15, 20, 25]
    assert frames[0].pixels.shape == (48, 64, 3)
    assert frames[0].captured_at is None
    assert len(list(video_frames(film, 3.0))) == 9, "a grid that a late frame does not shift"


def test_more_frames_than_there_are_are_not_made_up(tmp_path: Path) -> None:
    film = write_film(tmp_path / "a.mp4", greys(12))
    assert len(list(video_frames(film, 100.0))) == 12
    assert abs(num_frames(film, 100.0) - 12) <= 1


def test_uneven_times_are_the_videos_own(tmp_path: Path) -> None:
    film = write_film(tmp_path / "a.mp4", greys(4), ticks=[0, 1, 15, 16])
    assert [frame.time_s for frame in video_frames(film, 100.0)] == pytest.approx([0.0, 0.1, 1.5, 1.6])
    assert [frame.time_s for frame in video_frames(film, 1.0)] == pytest.approx([0.0, 1.5])


def test_the_time_of_day_follows_from_the_recordings_beginning(tmp_path: Path) -> None:
    film = write_film(tmp_path / "a.mp4", greys(12), began="2026-05-01T10:00:00Z")
    times = [frame.captured_at for frame in video_frames(film, 1.0)]
    assert times == ["2026-05-01T10:00:00+00:00", "2026-05-01T10:00:01+00:00"]


def test_a_turned_film_is_upright(tmp_path: Path) -> None:
    """A phone held upright stores lying pictures and how to turn them."""
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:24] = 255  # the upper half is white
    lying = write_film(tmp_path / "a.mp4", [picture] * 3)
    content = lying.read_bytes()
    upright = b"\x00\x01\x00\x00" + bytes(12) + b"\x00\x01\x00\x00" + bytes(12) + b"\x40\x00\x00\x00"
    # The track header's matrix (a, b, u, c, d, v, x, y, w): a quarter turn clockwise.
    clockwise = bytes(4) + b"\x00\x01\x00\x00" + bytes(4) + b"\xff\xff\x00\x00" + bytes(16) + b"\x40\x00\x00\x00"
    at = content.index(upright, content.index(b"tkhd"))
    turned = tmp_path / "turned.mp4"
    turned.write_bytes(content[:at] + clockwise + content[at + len(upright) :])
    pixels = next(iter(video_frames(turned, 1.0))).pixels
    assert pixels.shape == (64, 48, 3)
    assert pixels[:, 30:].mean() > 200, "what was above is to the right"
    assert pixels[:, :18].mean() < 50


def _no_video(folder: Path) -> Path:
    path = folder / "words.mp4"
    path.write_text("not a film\n" * 100)
    return path


def _empty(folder: Path) -> Path:
    path = folder / "empty.mp4"
    path.touch()
    return path


def _cut_off(folder: Path) -> Path:
    whole = write_film(folder / "whole.avi", greys(30)).read_bytes()
    path = folder / "cut.mp4"
    path.write_bytes(whole[:300])
    return path


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (_no_video, r"cannot read .*words\.mp4 as a video \(.*\): give"),
        (_empty, r"cannot read .*empty\.mp4 as a video"),
        (lambda folder: write_sound(folder / "sound.wav"), "holds no video, only sound"),
        (_cut_off, r"cannot read .*cut\.mp4|has no frame that can be decoded|breaks off"),
    ],
)
def test_what_is_no_video_is_one_line(tmp_path: Path, make: object, words: str) -> None:
    with pytest.raises(InputError, match=words) as error:
        list(video_frames(make(tmp_path), 2.0))  # type: ignore[operator]
    assert "\n" not in str(error.value)


def test_without_pyav_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    film = write_film(tmp_path / "a.mp4", greys(2))
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingError, match=r"geonav\[video\]"):
        list(video_frames(film, 2.0))


def test_times_that_do_not_rise_are_refused(tmp_path: Path) -> None:
    """Two recordings one after the other in one stream: the times start again."""
    first = write_film(tmp_path / "a.ts", greys(10)).read_bytes()
    film = tmp_path / "b.ts"
    film.write_bytes(first + first)
    with pytest.raises(InputError, match="do not rise"):
        list(video_frames(film, 100.0))
