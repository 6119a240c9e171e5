"""A photo comes in, is located on the map, and its references are shown beside it."""

from __future__ import annotations

import base64
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.evaluation.report.made import noise
from tests.serving.page.conftest import DESKTOP, PHONE, Visit, give, wait_for
from tests.serving.page.stand_in import StandIn, located, not_located, refused

if TYPE_CHECKING:
    from playwright.sync_api import Page

DEVICES = pytest.mark.parametrize("device", [DESKTOP, PHONE], ids=["desktop", "phone"])
TRANSFER = """([bytes, name]) => {
    const data = new DataTransfer(), raw = Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0));
    data.items.add(new File([raw], name, {type: 'image/jpeg'}));
    return data;
}"""


def outline(page: Page, name: str) -> list[tuple[float, float]]:
    """The points of a shape on the map, in pixels."""
    drawn = page.locator(f"#map path.{name}").get_attribute("d") or ""
    return [(float(x), float(y)) for x, y in re.findall(r"(-?[\d.]+) (-?[\d.]+)", re.sub("[MLz]", " ", drawn))]


def azimuth(start: tuple[float, float], end: tuple[float, float]) -> float:
    return math.degrees(math.atan2(end[0] - start[0], start[1] - end[1])) % 360


def drawn_share(page: Page) -> float:
    """How much of the canvas has lines on it."""
    counted = page.evaluate("""() => {
        const canvas = document.getElementById('lines');
        const read = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d', {willReadFrequently: true});
        read.drawImage(canvas, 0, 0);
        const {data} = read.getImageData(0, 0, canvas.width, canvas.height);
        let drawn = 0;
        for (let i = 3; i < data.length; i += 4) drawn += data[i] > 0;
        return drawn / (data.length / 4);
    }""")
    return float(counted)


@DEVICES
def test_a_photo_is_located_on_the_map_and_shown_beside_its_references(
    device: dict[str, Any], server: StandIn, visit: Visit, photo: Path
) -> None:
    page = visit(server.url, device)
    assert page.inner_text("#about") == "street · 3 reference photos"
    give(page, photo)
    assert [(each["name"], each["matches"]) for each in server.asked] == [("my photo.jpg", "true")]
    assert page.inner_text("#answer-title") == "Located"
    assert page.inner_text("#place") == "48.9400000, 8.4100000"
    told = page.inner_text("#answer-body").replace("\u00a0", " ")
    for words in (
        "95 % sure to lie within 16 cm", "120.10 m ± 6 cm", "above the WGS84 ellipsoid", "37.0° north-east",
        "± 0.8° (95 %)", "2.1° up, upright", "56.1°", "88 points of the photo agree", "with 3 references",
        "focal length was solved",
    ):  # fmt: skip
        assert words in told
    page.wait_for_selector("#pair-reference img")
    assert page.locator("#map .view").count() == 3
    for shape in ("position", "sight", "doubt", "ellipse"):
        assert page.locator(f"#map path.{shape}").count() == 1
    assert page.inner_text("#pair-words") == "45 of 60 matched points agree with the position."
    page.wait_for_timeout(100)
    assert drawn_share(page) > 0.01
    assert page.inner_text("#credits") == "References: Jo, CC BY-SA 4.0"


@pytest.mark.parametrize("way", ["drop", "paste"])
def test_photos_are_dropped_and_pasted(way: str, server: StandIn, visit: Visit) -> None:
    page = visit(server.url)
    data = page.evaluate_handle(TRANSFER, [base64.b64encode(noise(3)).decode(), "dropped.jpg"])
    if way == "drop":
        page.dispatch_event("header", "dragenter", {"dataTransfer": data})
        assert page.locator("#dropping").is_visible()
        page.dispatch_event("header", "drop", {"dataTransfer": data})
        assert page.locator("#dropping").is_hidden()
    else:
        page.evaluate("(data) => document.dispatchEvent(new ClipboardEvent('paste', {clipboardData: data}))", data)
    page.wait_for_selector("#answer:not([hidden])")
    assert [each["name"] for each in server.asked] == ["dropped.jpg"]
    assert server.asked[0]["bytes"] == len(noise(3))


def test_a_phone_offers_its_camera(server: StandIn, visit: Visit) -> None:
    page = visit(server.url, PHONE)
    with page.expect_file_chooser() as chooser:
        page.tap("#take-button")
    assert chooser.value.element.get_attribute("capture") == "environment"
    desktop = visit(server.url)
    assert desktop.locator("#take-button").is_hidden()


def test_the_map_is_true_to_the_result(server: StandIn, visit: Visit, photo: Path) -> None:
    page = visit(server.url)
    give(page, photo)
    page.get_by_role("button", name="Position").click()
    view, doubt = outline(page, "sight"), outline(page, "doubt")
    half = math.degrees(math.atan(160 / 300))
    assert azimuth(view[0], view[1]) == pytest.approx(37.02 - half, abs=1.5)
    assert azimuth(view[0], view[-1]) == pytest.approx(37.02 + half, abs=1.5)
    assert azimuth(doubt[0], doubt[-1]) - azimuth(doubt[0], doubt[1]) == pytest.approx(2 * 1.96 * 0.4, abs=1.0)
    rim = outline(page, "ellipse")
    spans = [(math.dist(rim[i], rim[i + len(rim) // 2]), i) for i in range(len(rim) // 2)]
    (longest, at), (shortest, _) = max(spans), min(spans)
    assert longest / shortest == pytest.approx(0.163 / 0.088, rel=0.05)
    assert azimuth(rim[at], rim[at + len(rim) // 2]) % 180 == pytest.approx(78, abs=3)
    per_metre = page.evaluate("parseFloat(document.querySelector('.scale').style.width)")
    shown = float(page.inner_text(".scale").split()[0]) / 100
    assert longest / (per_metre / shown) == pytest.approx(2 * 0.163, rel=0.05)


def test_references_are_chosen_in_the_list_and_on_the_map(server: StandIn, visit: Visit, photo: Path) -> None:
    page = visit(server.url)
    give(page, photo)
    page.locator("#references button").nth(1).click()
    assert page.inner_text("#pair-reference figcaption") == "Reference 2: r1"
    assert page.inner_text("#pair-words") == "33 of 50 matched points agree with the position."
    assert page.locator(".view.selected").get_attribute("aria-label") == "Reference 2: r1"
    page.locator("#map .view").nth(2).press("Enter")
    assert page.inner_text("#pair-reference figcaption") == "Reference 3: r2"
    pressed = page.locator("#references button").evaluate_all("(all) => all.map((each) => each.ariaPressed)")
    assert pressed == ["false", "false", "true"]
    assert "to the" in page.locator("#references button").nth(2).inner_text()


@DEVICES
def test_tall_pictures_keep_their_shape_and_fit_the_window(
    device: dict[str, Any], server: StandIn, visit: Visit, tmp_path: Path
) -> None:
    photo = tmp_path / "tall.jpg"
    photo.write_bytes(noise(1, (240, 640)))
    server.picture = lambda uid: noise(2, (240, 480))
    result = located()
    server.answers = [
        result | {"query_size": [240, 640], "matches": [{**each, "size": [240, 480]} for each in result["matches"]]}
    ]
    page = visit(server.url, device)
    give(page, photo)
    page.wait_for_selector("#pair-reference img")
    for figure, shape in (("#pair-photo", 240 / 640), ("#pair-reference", 240 / 480)):
        box, frame = (page.locator(f"{figure} {part}").bounding_box() for part in ("img", ".frame"))
        assert box is not None
        assert frame is not None
        assert box["width"] / box["height"] == pytest.approx(shape, rel=0.02)
        assert frame["height"] == pytest.approx(box["height"], abs=2)
        assert box["height"] <= 0.81 * device["viewport"]["height"]


def test_each_kind_of_line_can_be_left_out(server: StandIn, visit: Visit, photo: Path) -> None:
    page = visit(server.url)
    give(page, photo)
    page.wait_for_selector("#pair-reference img")
    page.wait_for_timeout(300)
    agreeing = drawn_share(page)
    page.get_by_label("15 do not").check()
    page.wait_for_timeout(100)
    both = drawn_share(page)
    page.get_by_label("45 agree").uncheck()
    page.wait_for_timeout(100)
    assert 0 < drawn_share(page) < both
    assert both > agreeing
    page.get_by_label("15 do not").uncheck()
    page.wait_for_timeout(100)
    assert drawn_share(page) == 0


@pytest.mark.parametrize(("status", "device"), [("retrieved_only", DESKTOP), ("not_located", PHONE)])
def test_a_refusal_says_why_and_shows_no_position(
    status: str, device: dict[str, Any], server: StandIn, visit: Visit, photo: Path
) -> None:
    server.answers = [not_located(status)]
    page = visit(server.url, device)
    give(page, photo)
    page.wait_for_selector("#pair-reference img")
    assert "Two places explain the photo equally well." in page.inner_text("#answer-body")
    assert page.locator("#answer li").count() >= 3, "what to try"
    for shape in ("position", "sight", "doubt", "ellipse"):
        assert page.locator(f"#map path.{shape}").count() == 0
    assert page.locator("#map .view.alike").count() == 3
    assert page.locator("#map .view").first.get_attribute("aria-label") == "Looked like 1: r0"
    assert "Looked like the photo; not where it was taken" in page.inner_text("#legend")
    assert page.inner_text("#pair-words") == "60 points matched; no position explains enough of them."


def test_a_photo_that_shows_nothing_has_no_references(server: StandIn, visit: Visit, photo: Path) -> None:
    server.answers = [not_located("not_located") | {"references": [], "matches": [], "query_size": None}, located()]
    page = visit(server.url)
    give(page, photo)
    assert page.locator("#evidence").is_hidden()
    assert page.locator("#map .view").count() == 0
    page.click("#again")
    page.wait_for_selector("#evidence:not([hidden])")
    assert page.inner_text("#answer-title") == "Located"


def test_a_reference_whose_place_or_picture_is_missing_costs_nothing_else(
    server: StandIn, visit: Visit, photo: Path
) -> None:
    del server.places["r1"]
    server.picture = lambda uid: noise(1) if uid != "r0" else b"no picture"
    page = visit(server.url)
    give(page, photo)
    page.wait_for_selector("#pair-reference p")
    assert "cannot show the picture" in page.inner_text("#pair-reference")
    assert page.locator("#map .view").count() == 2
    assert page.locator("#references button").count() == 3


def test_the_place_is_copied_and_the_result_saved(server: StandIn, visit: Visit, photo: Path) -> None:
    page = visit(server.url, permissions=["clipboard-read", "clipboard-write"])
    give(page, photo)
    page.get_by_role("button", name="Copy").click()
    wait_for(page, ".place button", "Copied")
    assert page.evaluate("navigator.clipboard.readText()") == "48.9400000, 8.4100000"
    page.get_by_text("Took 4.1").click()
    assert "matching" in page.inner_text("#answer table")
    with page.expect_download() as saved:
        page.get_by_text("Save as JSON").click()
    assert '"status": "located"' in Path(saved.value.path()).read_text("utf-8")


def test_another_photo_replaces_one_that_is_still_on_its_way(
    server: StandIn, visit: Visit, photo: Path, tmp_path: Path
) -> None:
    server.delay_s, server.answers = 1.0, [located() | {"lat": 1.0}, located()]
    other = tmp_path / "other.jpg"
    other.write_bytes(noise(2))
    page = visit(server.url)
    page.set_input_files("#choose", photo)
    wait_for(page, "#busy-text", "Locating")
    page.wait_for_timeout(300)
    page.set_input_files("#choose", other)
    page.wait_for_selector("#answer:not([hidden])")
    assert page.inner_text("#name") == "other.jpg"
    assert page.inner_text("#place").startswith("48.94")
    assert server.cut_off == 1


def test_a_browser_that_cannot_show_the_photo_still_sends_it(server: StandIn, visit: Visit, tmp_path: Path) -> None:
    heic = tmp_path / "a.heic"
    heic.write_bytes(b"\0\0\0\x18ftypheic" + b"\0" * 100)
    page = visit(server.url)
    give(page, heic)
    page.wait_for_selector("#pair-photo p")
    assert server.asked[0]["name"] == "a.heic"
    assert drawn_share(page) > 0


def test_refusals_of_the_server_are_readable(server: StandIn, visit: Visit, photo: Path) -> None:
    page = visit(server.url)
    for status, title in ((413, "too large"), (415, "no photo"), (504, "too long"), (500, "server failed")):
        server.answers = [refused(status, f"said with {status}")]
        page.set_input_files("#choose", photo)
        wait_for(page, "#answer-body", f"aid with {status}")
        assert title in page.inner_text("#answer-title")
        assert page.inner_text("#answer-body p >> nth=0") == f"Said with {status}."
        assert page.get_by_role("button", name="Try again").count() == (status >= 500)
    server.answers = [located()]
    page.get_by_role("button", name="Try again").click()
    page.wait_for_selector("#evidence:not([hidden])")
