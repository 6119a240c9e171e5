"""What a server does when it is full, slow, ending, guarded by a key, or left."""

from __future__ import annotations

import errno
import http.client
import json
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from geonav.cli.app import main
from geonav.config import GeonavConfig, load_config
from geonav.data.database import Database
from geonav.errors import ConfigError
from geonav.pipeline.localize import Localizer
from geonav.serving.refusals import RefusedError
from geonav.serving.service import Service
from tests.serving.inside import held_up, wait_until
from tests.serving.program import FAR, Reply, form

KEY = "correct-horse-battery"


@pytest.fixture(scope="module")
def localizer(small_database: Path, small_config: GeonavConfig) -> Localizer:
    return Localizer(Database.open(small_database), small_config)


def asked(url: str, method: str, path: str, body: bytes | None = None, **headers: str) -> Reply:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body, named)
    answer = connection.getresponse()
    reply = Reply(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
    connection.close()
    return reply


def post(url: str, photo: bytes, **headers: str) -> Reply:
    body, kind = form(photo, fields=FAR)
    return asked(url, "POST", "/v1/localize", body, content_type=kind, **headers)


@contextmanager
def waiting(service: Service, url: str, photo: bytes, count: int) -> Iterator[list[Future[Reply]]]:
    """So many clients whose photos are in the queue."""
    with ThreadPoolExecutor(count) as clients:
        replies = [clients.submit(post, url, photo) for _ in range(count)]
        wait_until(lambda: service.engine.num_waiting == count)
        yield replies


def test_a_full_queue_says_when_to_come_again(localizer: Localizer, small_config: GeonavConfig, query: bytes) -> None:
    with held_up(localizer, small_config, queue=2) as (service, url), waiting(service, url, query, 2) as replies:
        refused = post(url, query)
        assert (refused.status, refused.json["error"]["code"]) == (429, "busy")
        assert "2 photos are waiting" in refused.json["error"]["message"]
        assert int(refused.headers["retry-after"]) >= 1
        numbers = asked(url, "GET", "/metrics").content.decode()
        assert "geonav_queue_length 2.0" in numbers
        assert 'geonav_refused_total{code="busy"} 1.0' in numbers
        service.engine.start()
        assert [reply.result(240).status for reply in replies] == [200, 200]
        wait_until(lambda: service.is_idle)
        assert 'geonav_batch_size_bucket{le="1.0"} 2.0' in asked(url, "GET", "/metrics").content.decode()


def test_one_photo_that_waits_is_one(localizer: Localizer, small_config: GeonavConfig, query: bytes) -> None:
    with held_up(localizer, small_config, queue=1) as (service, url), waiting(service, url, query, 1):
        assert "1 photo is waiting already" in post(url, query).json["error"]["message"]
        service.engine.stop(0)


def test_who_hangs_up_leaves_the_queue(localizer: Localizer, small_config: GeonavConfig, query: bytes) -> None:
    with held_up(localizer, small_config) as (service, url):
        body, kind = form(query, fields=FAR)
        connection = http.client.HTTPConnection(urlsplit(url).netloc)
        connection.request("POST", "/v1/localize", body, {"Content-Type": kind})
        wait_until(lambda: service.engine.num_waiting == 1)
        connection.close()
        wait_until(lambda: service.is_idle)
        assert service.memory.held == 0


def test_a_photo_that_waits_too_long_is_told(localizer: Localizer, small_config: GeonavConfig, query: bytes) -> None:
    with held_up(localizer, small_config, time_limit_s=1.0) as (service, url):
        reply = post(url, query)
        assert (reply.status, reply.json["error"]["code"]) == (504, "too_slow")
        assert service.is_idle


def test_a_server_that_ends_finishes_what_was_begun(
    localizer: Localizer, small_config: GeonavConfig, query: bytes
) -> None:
    with held_up(localizer, small_config) as (service, url), waiting(service, url, query, 1) as replies:
        service.is_draining = True
        health, refused = asked(url, "GET", "/v1/health"), post(url, query)
        assert (health.status, health.json["status"]) == (503, "draining")
        assert (refused.status, refused.json["error"]["code"]) == (503, "not_ready")
        assert refused.headers["connection"] == "close"
        service.engine.start()
        assert replies[0].result(240).status == 200


def test_one_that_is_stopped_tells_who_waits(localizer: Localizer, small_config: GeonavConfig, query: bytes) -> None:
    with held_up(localizer, small_config) as (service, url), waiting(service, url, query, 1) as replies:
        service.engine.stop(0)
        assert replies[0].result(60).status == 503
        assert post(url, query).status == 503


def test_uploads_together_have_a_bound(localizer: Localizer, small_config: GeonavConfig, query: bytes) -> None:
    most = len(query) * 1.5 / 1e6
    with held_up(localizer, small_config, upload_memory_mb=most) as (service, url), waiting(service, url, query, 1):
        refused = post(url, query)
        assert (refused.status, refused.headers["retry-after"]) == (429, "2")
        assert "being uploaded" in refused.json["error"]["message"]
        service.engine.stop(0)


def test_a_slow_upload_is_given_up(localizer: Localizer, small_config: GeonavConfig, query: bytes) -> None:
    with held_up(localizer, small_config, upload_limit_s=0.5) as (service, url):
        body, kind = form(query)
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
        connection.putrequest("POST", "/v1/localize")
        connection.putheader("Content-Type", kind)
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body[:1000])
        answer = connection.getresponse()
        assert (answer.status, json.loads(answer.read())["error"]["code"]) == (408, "upload_too_slow")
        connection.close()
        wait_until(lambda: service.is_idle)


def test_a_key_guards_all_but_health_and_page(localizer: Localizer, small_config: GeonavConfig, query: bytes) -> None:
    with held_up(localizer, small_config, api_key=KEY) as (_, url):
        for path in ("/v1/database", "/v1/references/r0003", "/v1/references/r0003/image", "/metrics"):
            for headers in ({}, {"x_api_key": KEY + "x"}, {"authorization": f"Basic {KEY}"}, {"x_api_key": ""}):
                refused = asked(url, "GET", path, **headers)
                assert (refused.status, refused.json["error"]["code"]) == (401, "key_needed")
                assert refused.headers["www-authenticate"] == "Bearer"
                assert KEY not in refused.content.decode()
            for headers in ({"x_api_key": KEY}, {"authorization": f"Bearer {KEY}"}, {"authorization": f"bearer {KEY}"}):
                assert asked(url, "GET", path, **headers).status == 200
        assert post(url, query).status == 401
        assert [asked(url, "GET", path).status for path in ("/v1/health", "/", "/openapi.json")] == [200] * 3
        assert asked(url, "GET", "/openapi.json").json["security"] == [{"bearer": []}, {"header": []}]


@pytest.mark.parametrize("key", ["", "short", "with a blank", "tab\there", "pässwörter"])
def test_a_key_that_protects_nothing_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(ConfigError, match=r"serve\.api_key") as told:
        load_config(overrides={"serve": {"api_key": key}})
    assert "(hidden)" in str(told.value)


def test_other_sites_may_ask_only_where_they_are_named(localizer: Localizer, small_config: GeonavConfig) -> None:
    site, other = "https://maps.example", "https://evil.example"
    with held_up(localizer, small_config, cors_origins=(site,)) as (_, url):
        allowed = {origin: asked(url, "GET", "/v1/health", origin=origin).headers for origin in (site, other)}
        assert allowed[site]["access-control-allow-origin"] == site
        assert "access-control-allow-origin" not in allowed[other]
        preflight = asked(url, "OPTIONS", "/v1/localize", origin=site, access_control_request_method="POST")
        assert (preflight.status, preflight.headers["access-control-allow-origin"]) == (200, site)
        refused = asked(url, "OPTIONS", "/v1/localize", origin=other, access_control_request_method="POST")
        assert refused.status == 400


def test_photos_are_kept_only_where_that_is_asked_for(
    localizer: Localizer, small_config: GeonavConfig, query: bytes, tmp_path: Path
) -> None:
    folder = tmp_path / "kept"
    with held_up(localizer, small_config, keep_uploads=folder) as (service, url), waiting(service, url, query, 1):
        (kept,) = folder.iterdir()
        assert kept.read_bytes() == query
        assert kept.suffix == ".photo"
        service.engine.stop(0)


@pytest.fixture(params=[errno.ENOSPC, errno.ENOENT, errno.EEXIST], ids=errno.errorcode.get)
def _disk_that_refuses(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "write_bytes", _refuse(request.param))


@pytest.mark.usefixtures("_disk_that_refuses")
def test_a_photo_that_cannot_be_kept_is_answered_all_the_same(
    localizer: Localizer, small_config: GeonavConfig, query: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with held_up(localizer, small_config, keep_uploads=tmp_path / "kept") as (service, url):
        with waiting(service, url, query, 1) as (reply,):
            wait_until(lambda: "a photo is not kept: " in caplog.text)
            (job,) = service.engine._waiting
            job.fail(RefusedError(504, "answered by the test"))
        assert reply.result(60).json["error"]["message"] == "answered by the test"
    (record,) = caplog.records
    assert (record.levelname, record.exc_info) == ("WARNING", None)
    assert "\n" not in record.getMessage()


def _refuse(code: int) -> Callable[..., int]:
    def refuse(*_: object) -> int:
        raise OSError(code, os.strerror(code))

    return refuse


def test_a_folder_that_takes_no_photos_is_found_out_before_listening(
    small_database: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("geonav.serving.running._listening", _refuse(errno.EADDRINUSE))
    (tmp_path / "file").write_text("in the way")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        assert main(["serve", "-d", str(small_database), "--keep-uploads", str(folder)]) == 8
        said = capfd.readouterr().err
        assert said.startswith(f"error: cannot write {folder}: ")
        assert said.count("\n") == 1


@pytest.mark.parametrize(
    "origin",
    [
        "nonsense",
        "https://a.example/",
        "https://a.example/map",
        "https://A.example",
        "https://",
        "a.example",
        "",
        "null",
    ],
)
def test_what_is_no_site_is_refused(origin: str) -> None:
    with pytest.raises(ConfigError, match=r"serve\.cors_origins.*is no site: give https://HOST") as told:
        load_config(overrides={"serve": {"cors_origins": [origin]}})
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("origin", ["*", "https://a.example", "http://localhost:3000", "http://[::1]:80"])
def test_sites_are_taken(origin: str) -> None:
    assert load_config(overrides={"serve": {"cors_origins": [origin]}}).serve.cors_origins == (origin,)


def test_a_picture_the_browser_has_is_not_sent_again(localizer: Localizer, small_config: GeonavConfig) -> None:
    path = "/v1/references/r0003/image?max_side=64"
    with held_up(localizer, small_config) as (_, url):
        first = asked(url, "GET", path)
        again = asked(url, "GET", path, if_none_match=first.headers["etag"])
        assert (first.status, again.status, again.content) == (200, 304, b"")
        assert asked(url, "GET", path, if_none_match='"other"').status == 200


def test_large_uploads_stay_in_memory(localizer: Localizer, small_config: GeonavConfig, query: bytes) -> None:
    def written() -> int:
        text = Path("/proc/self/io").read_text("utf-8")
        return int(text.partition("\nwrite_bytes: ")[2].split()[0])

    large = query + bytes(8_000_000)  # what follows a JPEG's end does not count
    with held_up(localizer, small_config) as (service, url), waiting(service, url, large, 1):
        before = written()
        more = threading.Thread(target=post, args=(url, large))
        more.start()
        wait_until(lambda: service.engine.num_waiting == 2)
        assert written() - before < 1_000_000
        assert service.memory.held > 2 * len(large)
        service.engine.stop(0)
        more.join(60)
