"""The page by keyboard alone, to a screen reader, in the dark, on the narrowest phone, and under attack."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.evaluation.report.made import noise
from tests.serving.page.conftest import DESKTOP, PHONE, Visit, give, wait_for
from tests.serving.page.stand_in import StandIn, located, not_located, place, refused

if TYPE_CHECKING:
    from playwright.sync_api import FileChooser, Page

NARROW: dict[str, Any] = {**PHONE, "viewport": {"width": 360, "height": 640}}
ATTACK = "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>"
FOCUSED = """() => {
    const at = document.activeElement, style = getComputedStyle(at);
    return [at.id || at.ariaLabel || at.textContent.trim().slice(0, 30), style.outlineStyle !== 'none'];
}"""

# The contrast of every text that is seen with the colour behind it, where that lets through, at its worst.
FAINT = """() => {
    const pen = new OffscreenCanvas(1, 1).getContext('2d', {willReadFrequently: true});
    const rgba = (colour) => {
        pen.clearRect(0, 0, 1, 1); pen.fillStyle = colour; pen.fillRect(0, 0, 1, 1);
        return [...pen.getImageData(0, 0, 1, 1).data];
    };
    const light = (rgb) => rgb.slice(0, 3).map((v) => v / 255)
        .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const over = ([r, g, b, a], under) => [r, g, b].map((v) => v * a / 255 + under * (1 - a / 255));
    const behind = (at) => {
        for (; at; at = at.parentElement) {
            const colour = rgba(getComputedStyle(at).backgroundColor);
            if (colour[3] > 150) return colour;
        }
        return [255, 255, 255, 255];
    };
    const ratio = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    return [...document.querySelectorAll('body *')].filter((at) => at.checkVisibility() && !at.closest('svg')
        && [...at.childNodes].some((node) => node.nodeType === 3 && node.data.trim())).map((at) => {
            const ink = light(rgba(getComputedStyle(at).color)), ground = behind(at);
            const least = Math.min(...[0, 255].map((under) => ratio(ink, light(over(ground, under)))));
            return [`${at.tagName}#${at.id}.${at.className} ${at.textContent.slice(0, 20)}`, least];
        }).filter(([, least]) => least < 4.5);
}"""


def violations(page: Page) -> list[str]:
    """What axe-core finds, and texts too faint to read, a line each. axe gives up on texts that it believes covered."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    lines = [f"{each['id']}: {node['html'][:120]} {node['failureSummary']}" for each in found for node in each["nodes"]]
    return lines + [f"color-contrast: {element} {ratio:.2f}" for element, ratio in page.evaluate(FAINT)]


@pytest.mark.parametrize(("scheme", "device"), [("light", DESKTOP), ("dark", PHONE)], ids=["light", "dark phone"])
def test_nothing_is_in_the_way_of_anybody(
    scheme: str, device: dict[str, Any], server: StandIn, visit: Visit, photo: Path
) -> None:
    page = visit(server.url, device, color_scheme=scheme)
    page.click("summary")
    assert violations(page) == []
    for answer in (located(), not_located()):
        server.answers = [answer]
        page.set_input_files("#choose", photo)
        wait_for(page, "#answer-title", "Located" if answer["status"] == "located" else "recognised")
        page.wait_for_selector("#pair-reference img")
        page.wait_for_timeout(200)
        assert violations(page) == []
    server.answers = [refused(413, "too many bytes")]
    page.set_input_files("#choose", photo)
    wait_for(page, "#answer-title", "too large")
    assert violations(page) == []
    server.key = "k"
    page.click("#again")
    page.wait_for_selector("#key[open]")
    assert violations(page) == []


def test_a_check_that_finds_nothing_would_find_something(server: StandIn, visit: Visit) -> None:
    page = visit(server.url)
    page.evaluate("document.querySelector('main').append(document.createElement('button'))")
    page.evaluate("document.getElementById('about').style.color = '#ccc'")
    assert {line.split(":")[0] for line in violations(page)} >= {"button-name", "color-contrast"}


def test_all_is_done_by_keyboard_alone(server: StandIn, visit: Visit, photo: Path) -> None:
    page = visit(server.url)
    choosers: list[FileChooser] = []
    page.on("filechooser", lambda chooser: choosers.append(chooser))  # noqa: PLW0108 - a method takes no marks
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate(FOCUSED) == ["choose-button", True]
    page.keyboard.press("Enter")
    for _ in range(100):
        page.wait_for_timeout(50)
        if choosers:
            break
    choosers[0].set_files(photo)
    wait_for(page, "#answer-title", "Located")
    assert page.evaluate("document.activeElement.id") == "answer-title"
    wait_for(page, "#references", "r2")
    seen = []
    for _ in range(24):
        page.keyboard.press("Tab")
        name, is_visible = page.evaluate(FOCUSED)
        assert is_visible or name.startswith("Reference"), name
        seen.append(name)
        if "r1" in name and name.startswith("2"):
            break
    assert [name for name in seen if name in {"Copy latitude and longitude", "map", "Position", "show-in"}] == [
        "Copy latitude and longitude",
        "map",
        "Position",
        "show-in",
    ]
    assert "Reference 2: r1" in seen
    page.keyboard.press("Space")
    assert page.inner_text("#pair-reference figcaption") == "Reference 2: r1"


def test_a_screen_reader_is_told(server: StandIn, visit: Visit, photo: Path) -> None:
    page = visit(server.url)
    page.evaluate("""() => {
        window.told = [];
        const place = document.getElementById('status');
        new MutationObserver(() => place.textContent && told.push(place.textContent)).observe(place, {childList: true});
    }""")
    server.delay_s = 0.3
    give(page, photo)
    wait_for(page, "#status", "Located at")
    told = [line.replace("\u00a0", " ") for line in page.evaluate("told")]
    assert told == [
        "Locating the photo",
        "Located at 48.9400000, 8.4100000, within 16 cm, looking north-east.",
    ]
    for role in ("banner", "main", "contentinfo", "status"):
        assert page.get_by_role(role).count() == 1  # type: ignore[arg-type]
    for name in ("Photo", "Located", "Map", "Matched references"):
        assert page.get_by_role("region", name=name).count() >= 1
    assert page.get_attribute("#lines", "aria-label") == (
        "Lines between the photo and reference 1. 45 of 60 matched points agree with the position."
    )


def test_the_narrowest_phone_never_scrolls_sideways(server: StandIn, visit: Visit, tmp_path: Path) -> None:
    long = "w" * 180
    server.places[long] = place(1)
    server.answers = [located((long, "r1")), not_located() | {"reason": "x" * 300}, refused(422, "y" * 300)]
    page = visit(server.url, NARROW)
    photo = tmp_path / f"{'n' * 200}.jpg"
    photo.write_bytes(noise(1))
    page.click("summary")
    widths = [page.evaluate("document.documentElement.scrollWidth")]
    for words in ("Located", "recognised", "cannot use"):
        page.set_input_files("#choose", photo)
        wait_for(page, "#answer-title", words)
        page.wait_for_timeout(300)
        widths.append(page.evaluate("document.documentElement.scrollWidth"))
    assert widths == [360] * 4


def test_names_and_words_from_elsewhere_stay_words(server: StandIn, visit: Visit, tmp_path: Path) -> None:
    photo = tmp_path / "<img src=x onerror=alert(1)>.jpg"
    photo.write_bytes(noise(1))
    uid = "<b onmouseover=alert(1)>&amp;#60;"
    server.places[uid] = place(1) | {"attribution": ATTACK}
    server.about |= {"name": ATTACK, "attribution": [ATTACK]}
    hostile = located((uid, "r1")) | {
        "notes": [ATTACK],
        "alt_datum": ATTACK,
        "geonav_version": ATTACK,
        "seconds": {ATTACK: 1.0},
    }
    server.answers = [hostile, not_located() | {"reason": ATTACK}, refused(422, ATTACK)]
    page = visit(server.url)
    for title in ("Located", "recognised", "cannot use"):
        page.set_input_files("#choose", photo)
        wait_for(page, "#answer-title", title)
        page.wait_for_timeout(200)
        assert page.locator("img[src=x], main b[onmouseover], main script").count() == 0
    assert page.inner_text("#name") == photo.name
    assert ATTACK in page.inner_text("#answer-body")
    assert ATTACK in page.inner_text("#credits")
    assert page.title() == "geonav: where was this photo taken?"


def test_nothing_moves_for_those_who_do_not_want_it(server: StandIn, visit: Visit, photo: Path) -> None:
    server.delay_s = 0.5
    for motion, running in (("reduce", 0), ("no-preference", 1)):
        page = visit(server.url, reduced_motion=motion)
        page.set_input_files("#choose", photo)
        wait_for(page, "#busy-text", "Locating")
        assert page.evaluate("document.getAnimations({subtree: true}).length") == running
