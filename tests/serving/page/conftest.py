"""A browser, a server to look at with it, and a watch over what the browser does."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.evaluation.report.made import noise
from tests.serving.page.stand_in import StandIn, serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = os.environ.get("GEONAV_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}}
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
Visit = Callable[..., "Page"]


# Of a module, not of the session: while it runs, no test of another module could run an event loop of its own.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium: install the package chromium, or name the program in GEONAV_CHROMIUM")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield started
        started.close()


@pytest.fixture
def server() -> Iterator[StandIn]:
    made = StandIn()
    with serving(made.app()) as url:
        made.url = url
        yield made


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    """Open a page; afterwards it must have asked no other server, and have had no error but answers that are none."""
    problems: list[str] = []
    with ExitStack() as stack:

        def call(url: str, device: dict[str, Any] = DESKTOP, ready: str = "3 reference photos", **options: Any) -> Page:
            context = browser.new_context(**{"reduced_motion": "reduce", **device, **options})
            stack.callback(context.close)
            context.set_default_timeout(15_000)
            page = context.new_page()
            page.on("pageerror", lambda error: problems.append(str(error)))
            page.on("console", lambda said: problems.append(said.text) if is_problem(said.type, said.text) else None)
            own = re.compile(rf"{re.escape(url)}/|blob:|data:")
            page.on("request", lambda asked: None if own.match(asked.url) else problems.append(asked.url))
            page.goto(url)
            if ready:
                wait_for(page, "#about", ready)
            return page

        yield call
    assert problems == []


def is_problem(kind: str, text: str) -> bool:
    """Whether a line of the console is one; that a request was answered with an error is what some tests are about."""
    return kind in {"error", "warning"} and not text.startswith("Failed to load resource")


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "my photo.jpg"
    path.write_bytes(noise(9))
    return path


def wait_for(page: Page, selector: str, text: str) -> None:
    """Wait until an element holds words. Not by a program of the browser's own: the page's policy forbids that."""
    from playwright.sync_api import expect

    expect(page.locator(selector)).to_contain_text(text, timeout=15_000)


def give(page: Page, photo: Path) -> None:
    """Choose a photo and wait for the answer."""
    page.set_input_files("#choose", photo)
    page.wait_for_selector("#answer:not([hidden])")
