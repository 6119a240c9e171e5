"""The map before there is a photo: the area, where to search, tiles."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi.responses import Response

from geonav.serving.page import Tiles
from tests.serving.page.conftest import PHONE, Visit, give, wait_for
from tests.serving.page.stand_in import StandIn, serving

DOT = b'<svg xmlns="http://www.w3.org/2000/svg" width="256" height="256"><rect width="9" height="9"/></svg>'


def test_a_click_on_the_map_says_where_to_search(server: StandIn, visit: Visit, photo: Path) -> None:
    page = visit(server.url)
    page.get_by_text("Search around a place").click()
    page.get_by_role("button", name="Pick on the map").click()
    assert page.get_attribute("#prior-pick", "aria-pressed") == "true"
    page.locator("#map").click(position={"x": 300, "y": 250})
    page.fill("#prior-within", "40")
    assert page.get_attribute("#prior-pick", "aria-pressed") == "false"
    assert page.locator("#map path.prior").count() == 1
    give(page, photo)
    (asked,) = server.asked
    assert asked["within_m"] == "40"
    assert float(asked["lat"]) == pytest.approx(48.94, abs=0.002)
    assert float(asked["lng"]) == pytest.approx(8.41, abs=0.002)
    assert "Where is searched" in page.inner_text("#legend")
    page.get_by_role("button", name="Search everywhere").click()
    assert "Where is searched" not in page.inner_text("#legend")
    assert page.locator("#map path.prior").count() == 0
    page.click("#again")
    page.wait_for_selector("#answer:not([hidden])")
    assert "lat" not in server.asked[1]


def test_the_place_to_search_is_picked_by_keyboard(server: StandIn, visit: Visit) -> None:
    page = visit(server.url)
    page.get_by_text("Search around a place").click()
    page.get_by_role("button", name="Pick on the map").press("Enter")
    assert page.evaluate("document.activeElement.id") == "map"
    page.keyboard.press("Enter")
    assert float(page.input_value("#prior-lat")) == pytest.approx(48.94, abs=1e-4)
    page.fill("#prior-lat", "")
    page.get_by_role("button", name="Middle of the map").press("Space")
    assert float(page.input_value("#prior-lng")) == pytest.approx(8.41, abs=1e-4)


def test_a_place_that_is_none_is_not_sent(server: StandIn, visit: Visit, photo: Path) -> None:
    page = visit(server.url, PHONE)
    page.get_by_text("Search around a place").click()
    usual = {"lat": "48.94", "lng": "8,41", "within": "200"}
    page.set_input_files("#choose", photo)
    page.wait_for_selector("#answer:not([hidden])")
    for field, value in (("lat", "91"), ("lng", "x"), ("within", "0"), ("lng", "")):
        for name, good in usual.items():
            page.fill(f"#prior-{name}", value if name == field else good)
        page.click("#again")
        wait_for(page, "#prior-problem", "must be a number")
    assert len(server.asked) == 1
    page.fill("#prior-lng", "8,41")
    page.click("#again")
    page.wait_for_selector("#answer:not([hidden])")
    wait_for(page, "#prior-problem", "")
    assert server.asked[-1]["lng"] == "8.41"


def test_without_tiles_there_is_a_grid_that_follows_the_zoom(server: StandIn, visit: Visit) -> None:
    page = visit(server.url)
    before = page.inner_text(".scale"), page.get_attribute("#map path.grid", "d")
    assert page.locator("#map path.area").count() == 1
    page.locator("#map").focus()
    page.keyboard.press("+")
    page.wait_for_timeout(300)
    assert (page.inner_text(".scale"), page.get_attribute("#map path.grid", "d")) != before
    assert page.locator("#map img").count() == 0


def test_tiles_are_drawn_and_their_owner_is_named(visit: Visit, photo: Path) -> None:
    made = StandIn(tiles=Tiles("tiles/{z}/{x}/{y}.svg", 'A & B <a href="x">maps</a>'))
    tile = ("/tiles/{z}/{x}/{y}.svg", lambda: Response(DOT, media_type="image/svg+xml"))
    with serving(made.app(tile)) as url:
        page = visit(url)
        page.wait_for_selector("#map img.leaflet-tile-loaded")
        assert page.locator("#map path.grid").count() == 0
        wait_for(page, "#credits", 'Map: A & B <a href="x">maps</a>')
        give(page, photo)
        page.wait_for_selector("#map .view b")
    assert any(path.startswith("/tiles/") for path in made.paths)


def test_a_database_without_bounds_has_a_page_too(server: StandIn, visit: Visit, photo: Path) -> None:
    server.about = {"name": "street", "count": 3}
    page = visit(server.url)
    give(page, photo)
    page.wait_for_selector("#map .view b")
    assert page.locator("#map path.area").count() == 0
    assert [button.inner_text() for button in page.locator(".map-buttons button").all()] == ["Position", "References"]
