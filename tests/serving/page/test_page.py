"""The files of the page as a client gets them."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from geonav.errors import ConfigError
from geonav.serving.page import Tiles, add_page

STATIC = files("geonav.serving") / "static"
NAMES = sorted(path.name for path in STATIC.iterdir() if path.name != "index.html")


def client(tiles: Tiles | None = None) -> TestClient:
    app = FastAPI()
    add_page(app, tiles)
    return TestClient(app)


@pytest.mark.parametrize("name", [*NAMES, "leaflet.js", "leaflet.css"])
def test_every_file_is_served_under_its_kind(name: str) -> None:
    answer = client().get(f"/static/{name}")
    kinds = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith(kinds[name.rsplit(".", 1)[1]])
    assert answer.headers["x-content-type-options"] == "nosniff"
    if name in NAMES:
        assert answer.content == (STATIC / name).read_bytes()


@pytest.mark.parametrize(
    "path",
    [
        "/static/nope.js", "/static/index.html", "/static/../page.py", "/static/..%2fpage.py", "/static/%2e%2e/page.py",
        "/static/%2fetc%2fpasswd", "/static/page.js%00", "/static/", "/static/leaflet-src.js", "/static/page.js/x",
    ],
)  # fmt: skip
def test_what_is_not_in_the_table_does_not_exist(path: str) -> None:
    assert client().get(path).status_code == 404


def test_the_page_runs_no_script_and_loads_nothing_but_its_own() -> None:
    answer = client().get("/")
    assert answer.headers["content-security-policy"] == (
        "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    )
    assert not re.search(r"<script(?! type=\"module\" src=\")| style=| on\w+=|<style", answer.text)
    for link in re.findall(r"(?:src|href)=\"([^\"#]+)\"", answer.text):
        assert client().get(f"/{link}").status_code == 200


def test_modules_import_what_is_served() -> None:
    for name in NAMES:
        for other in re.findall(r"from \"\./(.+?)\"|import \"\./(.+?)\"", (STATIC / name).read_text("utf-8")):
            assert client().get(f"/static/{''.join(other)}").status_code == 200


def test_all_modules_are_asked_for_at_once() -> None:
    asked = set(re.findall(r"\"static/(\w+\.js)\"", client().get("/").text))
    assert asked == {name for name in NAMES if name.endswith(".js")} | {"leaflet.js"}


def test_a_copy_that_is_the_same_is_not_sent_again() -> None:
    asker = client()
    first = asker.get("/static/leaflet.js", headers={"Accept-Encoding": "gzip"})
    assert first.headers["content-encoding"] == "gzip"
    assert int(first.headers["content-length"]) < len(first.content) / 2
    again = asker.get("/static/leaflet.js", headers={"If-None-Match": f'"x", W/{first.headers["etag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    assert asker.get("/static/leaflet.js", headers={"If-None-Match": '"x"'}).status_code == 200
    plain = asker.get("/static/leaflet.js", headers={"Accept-Encoding": "identity"})
    assert plain.content == first.content
    assert "content-encoding" not in plain.headers


def test_only_get_and_head_are_answered() -> None:
    asker = client()
    assert asker.head("/").status_code == 200
    assert asker.post("/").status_code == 405


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://tiles.example.org/{z}/{x}/{y}.png", "https://tiles.example.org"),
        ("https://{s}.example.org:8443/{z}/{x}/{y}.png", "https://*.example.org:8443"),
        ("/tiles/{z}/{x}/{y}.png", ""),
        ("tiles/{z}/{x}/{y}.png", ""),
    ],
)
def test_tiles_are_allowed_by_their_server_alone(url: str, origin: str) -> None:
    answer = client(Tiles(url, '"><script>')).get("/")
    assert f"img-src 'self' blob: data:{' ' * bool(origin)}{origin};" in answer.headers["content-security-policy"]
    assert f'content="{url}"' in answer.text
    assert '"><script>' not in answer.text


@pytest.mark.parametrize(
    "url", ["https://tiles.example.org/a.png", "javascript:{z}{x}{y}", "https://a b/{z}/{x}/{y}", "//h/{z}/{x}/{y}",
            "https://h;script-src *;/{z}/{x}/{y}"],
)  # fmt: skip
def test_an_address_of_no_tile_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match=r"serve\.tiles_url"):
        client(Tiles(url))
