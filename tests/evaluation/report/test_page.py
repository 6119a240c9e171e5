"""The page of photos: what it holds, that names are only text, that it asks no one, and its size with a thousand."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from geonav.data.database import Database
from geonav.data.results import LocalizationResult
from geonav.errors import StorageError
from geonav.evaluation.report.page import Heading, write_page
from geonav.evaluation.report.rows import PagePhoto
from geonav.geometry.geodesy import GeoPoint
from geonav.pipeline.view_matches import read_view_matches, write_view_matches
from tests.evaluation.report.made import ATTACK, located, matches, noise, query, scored

WRITTEN = Heading("a <page>", ["of & <two>"], "<p>given</p>", near_m=5.0)


def held(page: Path, name: str = "data") -> dict[str, object]:
    """What an element of data holds."""
    found = re.search(rf"<script type=application/json id={name}>(.*?)</script>", page.read_text("utf-8"), re.DOTALL)
    assert found is not None
    value: dict[str, object] = json.loads(found[1])
    return value


def test_every_photo_has_its_place_its_errors_and_its_references(
    tmp_path: Path, photos: list[PagePhoto], references: Database
) -> None:
    write_page(tmp_path / "page.html", WRITTEN, photos, references)
    data = held(tmp_path / "page.html")
    good, lost = data["photos"]
    assert (good["name"], good["kind"], good["error_m"], good["error_deg"]) == ("good", "right", 0.4, 1.0)
    assert (good["truth"], good["estimate"], good["ellipse"]) == ([2.0, 3.0], [2.0, 3.4], [0.5, 0.2, 90.0])
    assert (lost["name"], lost["kind"], lost["truth"]) == (ATTACK, "not_matched", [5.0, 3.0])
    assert "estimate" not in lost
    assert [(kind["key"], kind["count"]) for kind in data["kinds"]] == [("right", 1), ("not_matched", 1)]
    assert sorted(data["spots"]) == [[0.0, 0.0], [9.0, 0.0]]
    # Also of the one that was refused: which references it was compared with, and how far from it they stand.
    told = held(tmp_path / "page.html", "d1")
    uids = [reference["uid"] for reference in data["references"]]
    assert [(uids[number], matched, away) for number, _, matched, _, away in told["hits"]] == [
        ("r1", 0, pytest.approx(5.0, abs=0.2)),
        ("r0", 0, pytest.approx(5.8, abs=0.2)),
    ]


def test_what_should_have_been_found_is_shown(tmp_path: Path, photo: Path, references: Database) -> None:
    asked = query("missed", str(photo), 9.0, 1.0)
    asked = asked.model_copy(update={"retrieved": asked.retrieved[1:]})
    lost = LocalizationResult(query=str(photo), status="not_located", reason="too few matches")
    score = scored("missed", "not_located", failure="not_retrieved")
    write_page(tmp_path / "page.html", WRITTEN, [PagePhoto(lost, [], asked, score)], references)
    uids = [reference["uid"] for reference in held(tmp_path / "page.html")["references"]]
    told = [(uids[number], similarity) for number, similarity, *_ in held(tmp_path / "page.html", "d0")["hits"]]
    assert told == [("r0", 0.5), ("r1", None)]


def test_drawn_matches_end_where_the_keypoints_are(
    tmp_path: Path, photos: list[PagePhoto], references: Database
) -> None:
    write_page(tmp_path / "page.html", WRITTEN, photos, references)
    (pair,) = held(tmp_path / "page.html", "d0")["pairs"]
    assert (pair["matches"], pair["inliers"], pair["agreeing"]) == (30, 20, 20)
    evidence = matches("r1", 30)
    order = [*np.flatnonzero(evidence.inlier), *np.flatnonzero(~evidence.inlier)]
    ends = np.hstack([evidence.query_pixels, evidence.reference_pixels])[order]
    np.testing.assert_array_equal(np.reshape(pair["ends"], (-1, 4)), ends.round())


def test_names_stay_text(tmp_path: Path, photos: list[PagePhoto], references: Database) -> None:
    write_page(tmp_path / "page.html", WRITTEN, photos, references)
    text = (tmp_path / "page.html").read_text("utf-8")
    assert ATTACK not in text
    assert "<title>a &lt;page></title>" in text.replace("&gt;", ">")
    assert "of &amp; &lt;two&gt;" in text


def test_the_page_asks_no_one_for_anything(tmp_path: Path, photos: list[PagePhoto], references: Database) -> None:
    write_page(tmp_path / "page.html", WRITTEN, photos, references)
    text = re.sub(r"(?<=id=)([pr]\d+)>[\w+/=]*", r"\1>", (tmp_path / "page.html").read_text("utf-8"))
    assert set(re.findall(r"\w+://[^\s'\"]*", text)) == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"url\(|@import|<link|<iframe|\bfetch\(", text)
    assert "default-src 'none'" in text


def test_a_page_without_its_references_still_tells(tmp_path: Path, photos: list[PagePhoto]) -> None:
    write_page(tmp_path / "page.html", WRITTEN, photos, None, GeoPoint(48.94, 8.41, 130.0))
    data = held(tmp_path / "page.html")
    assert [reference["uid"] for reference in data["references"]] == ["r1", "r0"]
    assert sorted(data["spots"]) == [[0.0, 0.0], [9.0, 0.0]]
    assert "id=r0>" not in (tmp_path / "page.html").read_text("utf-8")


def test_a_photo_that_is_gone_leaves_its_size(tmp_path: Path, references: Database) -> None:
    write_page(tmp_path / "page.html", Heading("gone"), [PagePhoto(located("gone.jpg", 0.0, 0.0))], references)
    (gone,) = held(tmp_path / "page.html")["photos"]
    assert (gone["w"], gone["h"]) == (320, 240)
    assert "id=p0>" not in (tmp_path / "page.html").read_text("utf-8")


def test_a_photo_on_its_side_is_shown_upright(tmp_path: Path, references: Database) -> None:
    with Image.open(references.image_path("r0")) as photo:
        exif = Image.Exif()
        exif[0x0112] = 6
        photo.save(tmp_path / "side.jpg", exif=exif)
    write_page(
        tmp_path / "page.html", Heading("side"), [PagePhoto(located(str(tmp_path / "side.jpg"), 0.0, 0.0))], references
    )
    (photo_row,) = held(tmp_path / "page.html")["photos"]
    assert (photo_row["w"], photo_row["h"]) == (240, 320)


def test_a_thousand_photos_stay_below_30_mb(tmp_path: Path, references: Database) -> None:
    thousand(tmp_path, references)
    assert (tmp_path / "page.html").stat().st_size < 30e6
    # Pictures got smaller for it, but none was left out.
    text = (tmp_path / "page.html").read_text("utf-8")
    assert len(re.findall(r"id=p\d+>", text)) == 1000


def thousand(folder: Path, references: Database) -> None:
    """The page of a thousand photos of noise, each matched to a reference."""
    photos = []
    for i in range(1000):
        path = folder / f"{i}.jpg"
        path.write_bytes(noise(i, (160, 120)))
        result = located(str(path), i / 10, 3.0)
        photos.append(
            PagePhoto(
                result, [matches("r1", 300)], query(f"q{i}", str(path), i / 10, 3.2), scored(f"q{i}", "located", 0.2)
            )
        )
    write_page(folder / "page.html", Heading("many"), photos, references)


def test_evidence_survives_the_disk(tmp_path: Path) -> None:
    write_view_matches(tmp_path / "e.npz", [matches("a/ü", 5), matches("b", 0)])
    first, second = read_view_matches(tmp_path / "e.npz")
    assert (first.uid, second.uid, second.query_pixels.shape) == ("a/ü", "b", (0, 2))
    np.testing.assert_array_equal(first.query_pixels, matches("a/ü", 5).query_pixels)
    np.testing.assert_array_equal(first.inlier, matches("a/ü", 5).inlier)
    (tmp_path / "e.npz").write_bytes(b"broken")
    with pytest.raises(StorageError, match=r"e\.npz .*locate the photos again"):
        read_view_matches(tmp_path / "e.npz")
