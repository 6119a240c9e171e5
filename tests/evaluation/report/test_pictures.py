"""Pictures keep within their budget, whatever they show, and say how large they are in full."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from geonav.evaluation.report.pictures import Wanted, pictures
from tests.evaluation.report.made import noise


@pytest.fixture
def wanted(tmp_path: Path) -> list[Wanted]:
    for i in range(6):
        (tmp_path / f"{i}.jpg").write_bytes(noise(i, (640, 400)))
    return [Wanted(tmp_path / f"{i}.jpg") for i in range(6)]


@pytest.mark.parametrize("budget", [2_000_000, 60_000, 12_000])
def test_all_together_keep_within_the_budget(wanted: list[Wanted], budget: int) -> None:
    found = pictures(wanted, budget, (64, 1600))
    assert sum(len(picture.src or "") for picture in found) <= budget
    assert {(picture.w, picture.h) for picture in found} == {(640, 400)}
    assert all(picture.src for picture in found)


def test_room_is_used(wanted: list[Wanted]) -> None:
    (one,) = pictures(wanted[:1], 2_000_000, (64, 1600))
    assert one.src is not None
    with Image.open(io.BytesIO(base64.b64decode(one.src))) as shown:
        assert shown.size == (640, 400)
    small, *_ = pictures(wanted, 60_000, (64, 1600))
    assert small.src is not None
    with Image.open(io.BytesIO(base64.b64decode(small.src))) as shown:
        assert shown.size[0] < 640


def test_no_room_is_no_picture(wanted: list[Wanted]) -> None:
    assert [picture.src for picture in pictures(wanted, 600, (64, 1600))] == [None] * 6


def test_what_cannot_be_read_keeps_the_size_it_had(tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(noise(1)[:60])
    found = pictures([Wanted(tmp_path / "broken.jpg", (80, 60)), Wanted(tmp_path / "gone.jpg")], 10_000, (64, 1600))
    assert [(picture.src, picture.w, picture.h) for picture in found] == [(None, 80, 60), (None, 4, 3)]
    assert pictures([], 10_000, (64, 1600)) == []


def test_sixteen_bits_are_not_cut_off(tmp_path: Path) -> None:
    grey = np.linspace(0, 65535, 64 * 48).reshape(48, 64).astype(np.uint16)
    Image.fromarray(grey).save(tmp_path / "deep.png")
    (one,) = pictures([Wanted(tmp_path / "deep.png")], 100_000, (64, 1600))
    assert one.src is not None
    with Image.open(io.BytesIO(base64.b64decode(one.src))) as shown:
        assert np.asarray(shown.convert("L")).mean() == pytest.approx(127, abs=3)


def test_heic_is_read_as_for_locating(tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif", reason="pillow-heif is not installed")
    heif.from_pillow(Image.new("RGB", (80, 60), (200, 30, 30))).save(tmp_path / "phone.heic")
    (one,) = pictures([Wanted(tmp_path / "phone.heic")], 100_000, (64, 1600))
    assert (one.w, one.h) == (80, 60)
    assert one.src is not None
