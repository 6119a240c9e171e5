"""The interface of ``geonav serve``, asked over the network as clients ask it."""

from __future__ import annotations

import io
import json
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from geonav import __version__
from geonav.data.results import LocalizationResult
from geonav.geometry.geodesy import GeoPoint, LocalFrame
from geonav.geometry.pose import camera_center
from tests.conftest import StreetPhotos
from tests.serving.program import FAR, Program, Reply, asked


def said(reply: Reply, status: int) -> str:
    """The one line of a refusal."""
    assert reply.status == status, reply.content
    assert set(reply.json) == {"error"}
    assert set(reply.json["error"]) == {"code", "message"}
    message = reply.json["error"]["message"]
    assert message
    assert "\n" not in message
    return str(message)


def test_a_photo_is_located_with_its_matches(
    program: Program, query: bytes, street_photos: StreetPhotos, small_database: Path
) -> None:
    reply = program.localize(query, "C:\\photos\\../../my photo.jpg", matches="true")
    assert reply.status == 200
    found = reply.json
    matches, size = found.pop("matches"), found.pop("query_size")
    result = LocalizationResult.model_validate(found)
    assert (result.query, result.status, result.geonav_version) == ("my photo.jpg", "located", __version__)
    truth = street_photos.named("queries")[0]
    assert size == [truth["w"], truth["h"]]
    origin = GeoPoint(*street_photos.origin)
    where = np.asarray(LocalFrame(origin).enu_from_geo(result.lat, result.lng, result.alt))
    assert np.linalg.norm((where - camera_center(np.array(truth["E"])))[:2]) < 1.0
    used = {each.uid: each for each in result.references}
    for each in matches:
        assert len(each["query"]) == len(each["reference"]) == len(each["inlier"]) == used[each["uid"]].num_matches
        assert np.all(np.array(each["reference"]) <= each["size"])
        assert np.all(np.array(each["query"]) <= size)
    assert sum(map(sum, (each["inlier"] for each in matches))) >= 30
    assert result.settings["database"] == "street"
    assert str(small_database.parent) not in reply.content.decode()


def test_a_prior_where_nothing_is_refuses_at_once_and_k_is_taken(program: Program, query: bytes) -> None:
    reply = program.localize(query, matches="1", k="3", **FAR)
    assert reply.status == 200
    assert reply.json["status"] == "not_located"
    assert reply.json["reason"].startswith("none of the 8 references is within 50 m")
    assert reply.json["settings"]["localize"]["top_k"] == 3
    assert reply.json["settings"]["search"]["near"] == [1, 2]
    assert (reply.json["matches"], reply.json["query_size"]) == ([], [480, 640])


def test_the_server_speaks_of_settings_of_its_own_again(program: Program, query: bytes) -> None:
    assert program.localize(query, k="2", **FAR).json["settings"]["localize"]["top_k"] == 2
    blank = io.BytesIO()
    Image.new("RGB", (320, 240), "grey").save(blank, "PNG")
    reply = program.localize(blank.getvalue(), "grey.png")
    assert reply.json["reason"].startswith("only 0 keypoints")
    assert reply.json["settings"]["localize"]["top_k"] == 10
    assert "search" not in reply.json["settings"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"lat": "1"}, "give lat, lng, within_m together: lat alone says no place"),
        ({**FAR, "lat": "91"}, "lat: Input should be less than or equal to 90"),
        ({**FAR, "lat": "nan"}, "lat: Input should be a finite number"),
        ({**FAR, "within_m": "0"}, "within_m: Input should be greater than 0"),
        ({"k": "0"}, "k: Input should be greater than or equal to 1"),
        ({"k": "101"}, "k: Input should be less than or equal to 100"),
        ({"k": "x"}, "k: Input should be a valid integer"),
        ({"matches": "perhaps"}, "matches: Input should be a valid boolean"),
        ({"camera": "FISHEYE"}, "camera: "),
        ({"camera": "PINHOLE,10,10,5,5,5,5"}, "camera is for 10x10, the photo is 480x640: give its own"),
        ({"database": "/etc"}, "database: Extra inputs are not permitted"),
    ],
)
def test_a_parameter_that_does_not_fit_is_named(
    program: Program, query: bytes, fields: dict[str, str], message: str
) -> None:
    assert said(program.localize(query, **fields), 422).startswith(message)


def test_a_photo_in_another_field_is_told_its_own(program: Program) -> None:
    for name, filename in (("file", '; filename="x.jpg"'), ("photo", "")):
        part = f'--b\r\nContent-Disposition: form-data; name="{name}"{filename}\r\n\r\nx\r\n--b--\r\n'.encode()
        headers = {"Content-Type": "multipart/form-data; boundary=b"}
        request = urllib.request.Request(f"{program.url}/v1/localize", part, headers, method="POST")  # noqa: S310
        assert "the photo belongs in the field 'photo', as a file" in said(asked(request), 422)


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "HEIF", "WEBP"])
def test_other_kinds_are_read_and_of_many_pictures_the_first(program: Program, query: bytes, kind: str) -> None:
    if kind == "HEIF":
        pytest.importorskip("pillow_heif", reason="HEIC needs geonav[heif]").register_heif_opener()
    with Image.open(io.BytesIO(query)) as photo:
        first = photo.convert("RGB").resize((240, 320))
    stream, rest = io.BytesIO(), [Image.new("RGB", (240, 320), (shade % 256,) * 3) for shade in range(300)]
    many = {"save_all": True, "append_images": rest}
    first.save(stream, kind, **({"GIF": many, "TIFF": {**many, "compression": "tiff_deflate"}}.get(kind, {})))
    reply = program.localize(stream.getvalue(), f"a.{kind.lower()}", **FAR)
    assert (reply.status, reply.json["query_size"]) == (200, [240, 320])
    assert reply.json["reason"].startswith("none of the 8 references"), "the first has enough keypoints, others none"


def test_what_is_known_of_the_database(program: Program) -> None:
    about = program.get("/v1/database").json
    assert (about["name"], about["count"], about["model"], about["index"]) == ("street", 8, "disk", "flat")
    assert (about["descriptor"], about["map_parts"], about["attribution"]) == ("vlad", 0, [])
    bounds, centre = about["bounds"], about["centre"]
    assert bounds["south"] < centre["lat"] < bounds["north"]
    assert bounds["west"] < centre["lng"] < bounds["east"]


def test_a_reference_and_its_picture(program: Program, small_database: Path) -> None:
    reply = program.get("/v1/references/r0003")
    known = json.loads((small_database / "r0003" / "metadata.json").read_text("utf-8"))
    assert (reply.json["lat"], reply.json["azimuth"]) == (known["lat"], known["azn"])
    assert "source_name" not in reply.json
    picture = program.get("/v1/references/r0003/image?max_side=200")
    assert picture.headers["content-type"] == "image/jpeg"
    assert picture.headers["cache-control"] == "private, max-age=3600"
    assert Image.open(io.BytesIO(picture.content)).size == (200, 150)
    assert Image.open(io.BytesIO(program.get("/v1/references/r0003/image").content)).size == (640, 480)
    for side in ("0", "5000", "x"):
        assert said(program.get(f"/v1/references/r0003/image?max_side={side}"), 422).startswith("max_side: ")


@pytest.mark.parametrize(
    "uid",
    [
        "nope",
        "..",
        "%2e%2e",
        "..%2f..%2fetc%2fpasswd",
        "r0003%2f..",
        "r0003%00",
        ".geonav",
        "database.json",
        "r0003/..",
    ],
)
def test_no_name_of_a_reference_reaches_the_files(program: Program, uid: str) -> None:
    for rest in ("", "/image"):
        reply = program.send(
            f"GET /v1/references/{uid}{rest} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
        )
        assert reply is not None
        said(reply, 404)


def test_health_headers_and_numbers(program: Program) -> None:
    reply = program.get("/v1/health", {"Origin": "https://elsewhere.example"})
    assert (reply.status, reply.json) == (200, {"status": "ready", "version": __version__})
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert "server" not in reply.headers
    assert "access-control-allow-origin" not in reply.headers
    text = program.get("/metrics").content.decode()
    assert 'geonav_requests_total{method="GET",route="/v1/health",status="200"}' in text
    assert "process_resident_memory_bytes" in text
    assert program.metric("geonav_queue_length") == 0


def test_what_does_not_exist_is_refused_as_all_else(program: Program) -> None:
    said(program.get("/v1/nope"), 404)
    said(program.get("/docs"), 404)
    said(program.get("/v1/localize"), 405)


def test_the_description_has_an_example_of_everything(program: Program) -> None:
    described = program.get("/openapi.json").json
    localize = described["paths"]["/v1/localize"]["post"]
    assert set(localize["responses"]["200"]["content"]["application/json"]["examples"]) == {"located", "refused"}
    fields = localize["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]
    assert set(fields) == {"photo", "lat", "lng", "within_m", "k", "camera", "matches"}
    for status in ("400", "401", "408", "413", "415", "422", "429", "503", "504"):
        example = localize["responses"][status]["content"]["application/json"]["example"]
        assert set(example["error"]) == {"code", "message"}
    assert "$ref" not in json.dumps(localize)


def test_the_page_is_there(program: Program) -> None:
    reply = program.get("/")
    assert reply.status == 200
    assert "default-src 'self'" in reply.headers["content-security-policy"]
