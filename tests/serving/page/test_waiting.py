"""Busy servers, keys, servers that are away, and photos that are called back."""

from __future__ import annotations

from pathlib import Path

from tests.serving.page.conftest import Visit, give, wait_for
from tests.serving.page.stand_in import StandIn, located, refused, serving


def test_a_busy_server_is_asked_again_after_the_time_it_names(server: StandIn, visit: Visit, photo: Path) -> None:
    server.answers = [refused(429, "the queue is full", 2), refused(503, "starting", 1), located()]
    page = visit(server.url)
    page.set_input_files("#choose", photo)
    wait_for(page, "#busy-text", "The server is busy. Trying again in 2 s.")
    wait_for(page, "#status", "Trying again in 2 seconds")
    wait_for(page, "#answer-title", "Located")
    assert len(server.asked) == 3
    assert page.locator("#busy").is_hidden()


def test_who_does_not_want_to_wait_tries_now_or_cancels(server: StandIn, visit: Visit, photo: Path) -> None:
    server.answers = [refused(429, "the queue is full", 600), refused(429, "the queue is full", 600)]
    page = visit(server.url)
    page.set_input_files("#choose", photo)
    wait_for(page, "#busy-text", "Trying again in 600 s")
    page.get_by_role("button", name="Try now").click()
    wait_for(page, "#busy-text", "Trying again in 600 s")
    assert len(server.asked) == 2
    page.get_by_role("button", name="Cancel").click()
    wait_for(page, "#status", "Cancelled")
    assert page.locator("#busy").is_hidden()
    assert page.locator("#answer").is_hidden()


def test_a_request_on_its_way_is_called_back(server: StandIn, visit: Visit, photo: Path) -> None:
    server.delay_s = 30
    page = visit(server.url)
    page.set_input_files("#choose", photo)
    wait_for(page, "#elapsed", "1 s")
    page.get_by_role("button", name="Cancel").click()
    wait_for(page, "#status", "Cancelled")
    assert page.evaluate("document.activeElement.id") == "again"
    page.wait_for_timeout(300)
    assert server.cut_off == 1, "the server sees that nobody waits any more"


def test_a_key_is_asked_for_and_kept_for_the_tab_alone(server: StandIn, visit: Visit, photo: Path) -> None:
    server.key = "s3cret"
    page = visit(server.url, ready="")
    wait_for(page, "#key-title", "This server asks for a key")
    assert page.get_attribute("#key-field", "type") == "password"
    page.fill("#key-field", "wrong")
    page.keyboard.press("Enter")
    wait_for(page, "#key-title", "That key was not accepted")
    page.fill("#key-field", "s3cret")
    page.get_by_role("button", name="Use this key").click()
    wait_for(page, "#about", "3 reference photos")
    give(page, photo)
    page.wait_for_selector("#pair-reference img")
    assert page.evaluate("localStorage.length") == 0
    assert page.evaluate("document.cookie") == ""
    assert "s3cret" not in page.url + page.content()
    page.reload()
    wait_for(page, "#about", "3 reference photos")


def test_a_key_that_is_not_given_leaves_the_page_usable(server: StandIn, visit: Visit, photo: Path) -> None:
    server.key = "s3cret"
    page = visit(server.url, ready="")
    wait_for(page, "#key-title", "This server asks for a key")
    page.keyboard.press("Escape")
    wait_for(page, "#about", "asks for a key")
    page.set_input_files("#choose", photo)
    page.wait_for_selector("#key[open]")
    page.get_by_role("button", name="Cancel").last.click()
    wait_for(page, "#status", "Cancelled")
    page.click("#again")
    page.fill("#key-field", "s3cret")
    page.keyboard.press("Enter")
    wait_for(page, "#answer-title", "Located")


def test_a_server_that_went_away_is_missed_and_found_again(visit: Visit, photo: Path) -> None:
    made = StandIn()
    with serving(made.app()) as url:
        page = visit(url)
    page.set_input_files("#choose", photo)
    wait_for(page, "#answer-title", "The server cannot be reached")
    with serving(made.app(), int(url.rsplit(":", 1)[1])):
        page.get_by_role("button", name="Try again").click()
        wait_for(page, "#answer-title", "Located")
        page.wait_for_selector("#pair-reference img")
