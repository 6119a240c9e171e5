"""``geonav index global --index milvus``, and what later commands find of it."""

from __future__ import annotations

import base64
import io
import json
from concurrent import futures
from pathlib import Path

import pytest
from PIL import Image

from geonav.data.database import Database
from geonav.retrieval.milvus import MilvusIndex
from tests.cli.conftest import Run
from tests.cli.test_index_descriptors import HEIGHT, METADATA, SMALL, WIDTH
from tests.vision.descriptors import checkpoints
from tests.vision.descriptors.test_exported import script_file

pytest.importorskip("milvus_lite", reason="pip install 'geonav[milvus]'")

TOKEN = "root:a-secret-word"  # noqa: S105 - of a server of this test


@pytest.fixture
def path(tmp_path: Path) -> Path:
    database = Database.create(tmp_path / "db")
    for seed in range(3):
        buffer = io.BytesIO()
        Image.fromarray(checkpoints.picture(seed, HEIGHT, WIDTH)).save(buffer, "JPEG", quality=92)
        database.add_entry(f"p{seed}", buffer.getvalue(), METADATA)
    return database.path


@pytest.fixture
def descriptor(tmp_path: Path) -> str:
    return f"torchscript:{script_file(tmp_path / 'net.pt')}"


LOCAL = ("--model", "xfeat")


def found(run: Run, path: Path, descriptor: str, *options: str) -> tuple[int, str]:
    photo = Database.open(path).image_path("p1")
    ended = run("search", photo, "-d", path, "--descriptor-type", descriptor, *options, *LOCAL, *SMALL, "--json")
    return ended.code, ended.out + ended.err


def test_vectors_go_to_a_folder_and_are_found_there(
    run: Run, path: Path, descriptor: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["index", "global", "-d", path, "--descriptor-type", descriptor, *LOCAL, *SMALL, "--json"]
    ended = run(*command, "--index", "milvus", "--milvus-uri", "./city.db")
    assert ended.code == 0, ended.err
    assert (tmp_path / "city.db" / "collections").is_dir()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    code, text = found(run, path, descriptor)
    assert code == 0, text
    assert "p1" in text
    again = run(*command)  # the kind and the place are the database's
    assert (again.code, json.loads(again.out)["reused"]) == (0, 3), again.err
    retrained = run(*command, "--retrain")
    assert retrained.code == 0, retrained.err
    assert not list(path.rglob("milvus.db"))
    for what in ("info", "check"):
        assert run("database", what, "-d", path).code == 0
    back = run(*command, "--index", "flat")
    assert back.code == 0, back.err
    assert found(run, path, descriptor)[0] == 0


def test_a_server_its_token_and_its_absence(
    run: Run, path: Path, descriptor: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import grpc
    from milvus_lite import MilvusLite
    from milvus_lite.adapter.grpc.servicer import MilvusServicer
    from pymilvus.grpc_gen import milvus_pb2_grpc

    class Guard(grpc.ServerInterceptor):
        def intercept_service(self, continuation, details):
            brought = dict(details.invocation_metadata).get("authorization")
            if brought == base64.b64encode(TOKEN.encode()).decode():
                return continuation(details)
            refuse = lambda _, context: context.abort(grpc.StatusCode.UNAUTHENTICATED, "auth check failure")  # noqa: E731
            return grpc.unary_unary_rpc_method_handler(refuse)

    lite = MilvusLite(str(tmp_path / "server"))
    server = grpc.server(futures.ThreadPoolExecutor(4), interceptors=[Guard()])
    milvus_pb2_grpc.add_MilvusServiceServicer_to_server(MilvusServicer(lite), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    monkeypatch.setenv("GEONAV_MILVUS__TOKEN", TOKEN)
    monkeypatch.setenv("GEONAV_MILVUS__TIMEOUT_S", "2")
    command = ["index", "global", "-d", path, "--descriptor-type", descriptor, *LOCAL, *SMALL, "--index", "milvus"]
    ended = run(*command, "--milvus-uri", f"http://127.0.0.1:{port}")
    assert ended.code == 0, ended.err
    assert found(run, path, descriptor)[0] == 0
    shown = run("config", "show")
    assert "a-secret-word" not in ended.out + ended.err + shown.out
    assert not [file for file in path.rglob("*") if file.is_file() and b"a-secret-word" in file.read_bytes()]

    monkeypatch.setenv("GEONAV_MILVUS__TOKEN", "root:wrong-word")
    code, text = found(run, path, descriptor)
    assert code == 4
    assert "GEONAV_MILVUS__TOKEN" in text
    assert "wrong-word" not in text
    server.stop(0).wait()
    lite.close()
    monkeypatch.setenv("GEONAV_MILVUS__TOKEN", TOKEN)
    code, text = found(run, path, descriptor)
    assert code == 5, text
    assert f"http://127.0.0.1:{port} does not answer" in text
    assert "Traceback" not in text


def test_an_address_that_is_none(run: Run, path: Path) -> None:
    ended = run("index", "global", "-d", path, "--index", "milvus", "--milvus-uri", "city")
    assert ended.code == 2
    assert "ends in .db" in ended.err


def test_the_default_place_is_the_index_folder(run: Run, path: Path, descriptor: str) -> None:
    command = ["index", "global", "-d", path, "--descriptor-type", descriptor, *LOCAL, *SMALL, "--index", "milvus"]
    assert run(*command).code == 0
    (folder,) = path.rglob("milvus.db")
    assert folder.is_dir()
    assert MilvusIndex.kind in (folder.parent / "stamp.json").read_text()


def test_an_address_without_an_index_in_milvus(run: Run, path: Path, descriptor: str) -> None:
    command = ["index", "global", "-d", path, "--descriptor-type", descriptor, *LOCAL, *SMALL]
    for kind in ((), ("--index", "flat")):
        ended = run(*command, *kind, "--milvus-uri", "city.db")
        assert ended.code == 2, ended.err
        assert "--milvus-uri city.db is for vectors in Milvus, and this index is" in ended.err
        assert ended.err.count("\n") == 1
    assert not Path("city.db").exists()


def test_a_folder_in_a_folder_that_is_not_there_and_then_is_gone(
    run: Run, path: Path, descriptor: str, tmp_path: Path
) -> None:
    command = ["index", "global", "-d", path, "--descriptor-type", descriptor, *LOCAL, *SMALL]
    ended = run(*command, "--index", "milvus", "--milvus-uri", "n1/x.db")
    assert ended.code == 0, ended.err
    (tmp_path / "n1").rename(tmp_path / "n2")
    code, text = found(run, path, descriptor)
    assert code == 3
    assert f"{tmp_path / 'n1' / 'x.db'}, the folder of the index's vectors, is gone" in text
    assert not (tmp_path / "n1").exists()
    checked = run("database", "check", "-d", path)
    assert checked.code == 6
    assert "vectors are gone with the folder" in " ".join(checked.out.split())
    elsewhere = run(*command, "--milvus-uri", "n3/x.db")  # the kind is remembered
    assert elsewhere.code == 0, elsewhere.err
    assert found(run, path, descriptor)[0] == 0
    assert run("database", "check", "-d", path).code == 0
