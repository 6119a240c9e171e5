"""Services that fail, refuse or vanish: one line each, and nothing that gives a key away."""

from __future__ import annotations

import logging
import socket
from pathlib import Path

import pytest

from geonav.config import GeonavConfig, load_config
from geonav.errors import AuthError, ConfigError, InputError, NetworkError, UsageError
from geonav.pipeline.syncing import pull_database, push_database
from geonav.pipeline.syncing.address import Address
from geonav.pipeline.syncing.snapshot import generation_key
from geonav.pipeline.syncing.store import ObjectStore
from tests.pipeline.syncing.conftest import KEY, SECRET
from tests.pipeline.syncing.s3_server import S3Server, error_body
from tests.pipeline.syncing.trees import contents, make_database, storage

CITY = "s3://bucket/city"


def test_a_busy_service_is_asked_again(tmp_path: Path, server: S3Server, s3: GeonavConfig) -> None:
    busy: set[tuple[str, str]] = set()

    def fault(method: str, path: str) -> tuple[str, bytes] | None:
        if (method, path) in busy:
            return None
        busy.add((method, path))
        return "503 Slow Down", error_body("SlowDown")

    server.fault = fault
    push_database(make_database(tmp_path / "here"), CITY, s3)
    pull_database(tmp_path / "there", CITY, s3)
    assert contents(tmp_path / "there") == contents(tmp_path / "here")
    assert {"GET", "PUT"} <= {method for method, _ in busy}


ANSWERS = (
    ("503 Slow Down", "SlowDown", NetworkError, "run again to resume"),
    ("500 Internal Server Error", "InternalError", NetworkError, "run again to resume"),
    ("403 Forbidden", "AccessDenied", AuthError, "access was refused"),
    ("403 Forbidden", "InvalidAccessKeyId", AuthError, "the service refused the keys"),
    ("403 Forbidden", "SignatureDoesNotMatch", AuthError, "the service refused the keys"),
    ("400 Bad Request", "AuthorizationHeaderMalformed", ConfigError, "give --region"),
    ("404 Not Found", "NoSuchBucket", InputError, "there is no such bucket"),
)


def test_what_a_service_says_becomes_one_line(
    server: S3Server, s3: GeonavConfig, caplog: pytest.LogCaptureFixture
) -> None:
    store = ObjectStore(Address.parse(CITY), s3.storage)
    caplog.set_level(logging.DEBUG, "geonav")
    for status, code, kind, message in ANSWERS:
        answer = status, error_body(code)
        server.fault = lambda method, path, answer=answer: answer
        for call in (lambda: store.list("generations"), lambda: store.put("packs/x", b"x")):
            server.requests.clear()
            with pytest.raises(kind, match=message) as caught:
                call()
            assert "\n" not in str(caught.value)
            for secret in (KEY, SECRET):
                assert secret not in str(caught.value) + caplog.text
            assert len(server.requests) == (3 if kind is NetworkError else 1)


def test_no_keys_at_all(server: S3Server, s3: GeonavConfig) -> None:
    bare = storage(endpoint_url=server.url, region="us-east-1")
    with pytest.raises(AuthError, match=r"no keys .*: set AWS_PROFILE"):
        ObjectStore(Address.parse(CITY), bare.storage).list("packs")


def test_keys_of_the_usual_chain_are_taken(server: S3Server, s3: GeonavConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
    assert ObjectStore(Address.parse(CITY), storage(region="us-east-1").storage).list("packs") == {}


def test_a_service_that_is_not_there(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = storage(endpoint_url=f"http://127.0.0.1:{port}", key=KEY, secret=SECRET, region="us-east-1", timeout_s=1)
    with pytest.raises(NetworkError, match="run again to resume"):
        pull_database(tmp_path / "there", CITY, config)
    assert not (tmp_path / "there").exists()


def test_a_service_that_dies_on_the_way(tmp_path: Path, server: S3Server, s3: GeonavConfig) -> None:
    database = make_database(tmp_path / "here")
    dead = error_body("ServiceUnavailable")
    server.fault = lambda method, path: ("503 Service Unavailable", dead) if "generations/" in path else None
    with pytest.raises(NetworkError, match="run again to resume"):
        push_database(database, CITY, s3)
    server.fault = None
    server.requests.clear()
    push_database(database, CITY, s3)
    assert server.written("packs") == []
    server.fault = lambda method, path: ("503 Service Unavailable", dead) if "packs/" in path else None
    with pytest.raises(NetworkError, match="run again to resume"):
        pull_database(tmp_path / "there", CITY, s3)
    server.fault = None
    pull_database(tmp_path / "there", CITY, s3)
    assert contents(tmp_path / "there") == contents(tmp_path / "here")


def test_a_generation_is_written_once(tmp_path: Path, server: S3Server, s3: GeonavConfig) -> None:
    for store in (
        ObjectStore(Address.parse(CITY), s3.storage),
        ObjectStore(Address.parse(str(tmp_path / "remote")), s3.storage),
        ObjectStore(Address.parse("memory://once"), s3.storage),
    ):
        assert store.create(generation_key(1), b"one")
        assert store.create(generation_key(1), b"one")  # its own, as after an answer that was lost
        assert not store.create(generation_key(1), b"two")
        assert store.get(generation_key(1), 10) == b"one"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("s3://AKIA:sec/ret@bucket/city", r"s3://\[hidden\]@bucket/city holds a key"),
        ("s3://AKIA@bucket/city", "holds a key"),
        ("sftp://me:word@host/city", r"sftp://\[hidden\]@host/city holds a key"),
        ("s3://", "is no address"),
        ("simplecache::s3://bucket/city", "is no address"),
        ("s3://bucket/city?versionId=1", "no '\\?'"),
    ],
)
def test_addresses_that_are_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        Address.parse(text)
    assert "ret" not in str(caught.value).replace("secret", "")
    assert "word" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gs://b/c", "gs:// needs gcsfs: pip install gcsfs"),
        ("az://b/c", "pip install adlfs"),
        ("qq://b", r"cannot be used \(Protocol not known: qq\): use s3://bucket/city, .*or a folder"),
    ],
)
def test_a_missing_driver_is_named(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        ObjectStore(Address.parse(text), load_config().storage)


def test_keys_of_the_configuration_stay_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEONAV_STORAGE__KEY", KEY)
    monkeypatch.setenv("GEONAV_STORAGE__SECRET", SECRET)
    config = load_config()
    assert config.storage.secret is not None
    assert config.storage.secret.get_secret_value() == SECRET
    assert SECRET not in repr(config)
    Path("geonav.toml").write_text("[storage]\nsecret = ['leaked']\n")
    monkeypatch.delenv("GEONAV_STORAGE__SECRET")
    with pytest.raises(ConfigError) as caught:
        load_config()
    assert "leaked" not in str(caught.value)
