"""Milvus behind the index: servers over loopback, folders of milvus-lite, and what goes wrong with them."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from geonav.errors import AuthError, DatabaseError, GeonavError, NetworkError, StorageError, UsageError
from geonav.retrieval.choose import new_index, open_index
from geonav.retrieval.flat import FlatIndex
from geonav.retrieval.milvus import MilvusIndex
from geonav.retrieval.milvus_store import Store, open_store
from geonav.settings.milvus import MilvusConfig

pytest.importorskip("pymilvus", reason="pip install 'geonav[milvus]'")
pytest.importorskip("milvus_lite", reason="pip install 'geonav[milvus]'")

ROOT = Path(__file__).parents[2]
DIM = 16
TOKEN = "root:a-secret-word"  # noqa: S105 - of a server of this test


def rows_of(count: int, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(count, DIM)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def names_of(count: int) -> list[str]:
    return [f"u{i:04}" for i in range(count)]


def filled(settings: MilvusConfig | None, count: int = 60) -> MilvusIndex:
    index = MilvusIndex(DIM, "aa", settings)
    index.add(names_of(count), rows_of(count))
    return index


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Starts milvus-lite's server on a port of its own, as a cluster would be reached; asks for a token if told to."""
    import grpc
    from milvus_lite import MilvusLite
    from milvus_lite.adapter.grpc.servicer import MilvusServicer
    from pymilvus.grpc_gen import milvus_pb2_grpc

    class Guard(grpc.ServerInterceptor):
        """Refuses who does not bring the token, as Milvus does."""

        def __init__(self, token: str) -> None:
            import base64

            self.wanted = base64.b64encode(token.encode()).decode()

        def intercept_service(self, continuation: Any, details: Any) -> Any:
            if dict(details.invocation_metadata).get("authorization") == self.wanted:
                return continuation(details)

            def refuse(_: Any, context: Any) -> None:
                context.abort(grpc.StatusCode.UNAUTHENTICATED, "auth check failure, please check api key is correct")

            return grpc.unary_unary_rpc_method_handler(refuse)

    running = []

    def start(token: str | None = None) -> str:
        lite = MilvusLite(str(tmp_path / f"server{len(running)}"))
        guards = [Guard(token)] if token else []
        server = grpc.server(futures.ThreadPoolExecutor(4), interceptors=guards)
        milvus_pb2_grpc.add_MilvusServiceServicer_to_server(MilvusServicer(lite), server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        running.append((server, lite))
        return f"http://127.0.0.1:{port}"

    yield start
    for server, lite in running:
        server.stop(0).wait()
        lite.close()


def test_a_server_holds_what_a_flat_index_finds(serve: Callable[..., str], tmp_path: Path) -> None:
    settings = MilvusConfig(uri=serve())
    index, flat = filled(settings, 500), FlatIndex(DIM, "aa")
    flat.add(names_of(500), rows_of(500))
    for one, name in ((index, "m"), (flat, "f")):
        one.save(tmp_path / name)
        one.remove(names_of(500)[::7])
        one.add(["new", "black"], np.stack([rows_of(1, 9)[0], np.zeros(DIM, np.float32)]))
        one.save(tmp_path / name)
    again = MilvusIndex.load(tmp_path / "m", "aa")  # the address is remembered
    assert again.uids == flat.uids
    for query in rows_of(10, 3):
        for allowed in (None, names_of(500)[:40], names_of(500)[20:], ["black"]):
            mine, wanted = again.search(query, 10, allowed=allowed), flat.search(query, 10, allowed=allowed)
            assert [uid for uid, _ in mine] == [uid for uid, _ in wanted]
            np.testing.assert_allclose([s for _, s in mine], [s for _, s in wanted], atol=1e-6)
    np.testing.assert_array_equal(again.vectors(flat.uids), flat.vectors(flat.uids))


def test_a_server_may_index_approximately(serve: Callable[..., str], tmp_path: Path) -> None:
    settings = MilvusConfig(uri=serve(), index_type="HNSW")
    index = filled(settings, 400)
    index.save(tmp_path)
    rows = rows_of(400)
    assert [index.search(row, 1)[0][0] for row in rows[:50]] == names_of(50)


def collections(uri: str) -> list[str]:
    store = open_store(uri, MilvusConfig())
    return list(store._client.list_collections())


def test_an_index_written_anew_leaves_no_collection_behind(serve: Callable[..., str], tmp_path: Path) -> None:
    uri = serve()
    filled(MilvusConfig(uri=uri)).save(tmp_path)
    (first,) = collections(uri)
    filled(MilvusConfig(uri=uri)).save(tmp_path)
    (second,) = collections(uri)
    assert first != second


def test_a_run_killed_before_its_stamp_leaves_rows_that_nobody_sees(
    serve: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = serve()
    index = filled(MilvusConfig(uri=uri))
    index.save(tmp_path)
    before = index.search(rows_of(1, 5)[0], 99)

    def die(*_: Any) -> None:
        raise KeyboardInterrupt

    other = MilvusIndex.load(tmp_path, "aa")
    other.add(["late"], rows_of(1, 5))
    other.remove(["u0001"])
    with monkeypatch.context() as patch:
        patch.setattr("geonav.retrieval.shelf.atomic_write_json", die)
        with pytest.raises(KeyboardInterrupt):
            other.save(tmp_path)
    again = MilvusIndex.load(tmp_path, "aa")
    assert open_store(uri, MilvusConfig()).count(again._link.collection) == 61  # type: ignore[union-attr]
    assert again.search(rows_of(1, 5)[0], 99) == before
    again.add(["other"], rows_of(1, 6))
    again.save(tmp_path)
    assert MilvusIndex.load(tmp_path, "aa").search(rows_of(1, 6)[0], 1)[0][0] == "other"
    assert len(again.search(rows_of(1, 5)[0], 99)) == 61


def test_a_copy_of_the_folder_gets_a_collection_of_its_own(serve: Callable[..., str], tmp_path: Path) -> None:
    uri = serve()
    filled(MilvusConfig(uri=uri)).save(tmp_path / "one")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    copy = MilvusIndex.load(tmp_path / "two", "aa")
    copy.remove(names_of(30))
    copy.save(tmp_path / "two")
    assert len(collections(uri)) == 2
    assert len(MilvusIndex.load(tmp_path / "one", "aa").search(rows_of(1)[0], 99)) == 60
    assert len(MilvusIndex.load(tmp_path / "two", "aa").search(rows_of(1)[0], 99)) == 30


def test_a_relative_folder_is_remembered_from_the_root_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    filled(MilvusConfig(uri="./city.db")).save(tmp_path / "index")
    monkeypatch.chdir(tmp_path)
    assert json.loads((tmp_path / "index" / "milvus-1.json").read_text())["uri"] == str(tmp_path / "here" / "city.db")
    assert open_index(tmp_path / "index", "aa").search(rows_of(1)[0], 1)[0][0] == "u0000"


def test_more_hits_than_milvus_gives_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("geonav.retrieval.milvus.MOST_HITS", 64)
    monkeypatch.setattr("geonav.retrieval.milvus._NAMED_ROWS", 32)
    index, flat = filled(None, 300), FlatIndex(DIM, "aa")
    flat.add(names_of(300), rows_of(300))
    index.save(tmp_path)
    query = rows_of(1, 4)[0]
    for k, allowed in ((300, None), (100, names_of(300)[50:]), (5, names_of(300)[290:]), (5, names_of(300)[200:])):
        wanted = [uid for uid, _ in flat.search(query, k, allowed=allowed)]
        assert [uid for uid, _ in index.search(query, k, allowed=allowed)] == wanted


def test_the_token_is_asked_for_and_written_nowhere(serve: Callable[..., str], tmp_path: Path) -> None:
    uri = serve(TOKEN)
    settings = MilvusConfig(uri=uri, token=TOKEN, timeout_s=5)  # type: ignore[arg-type]
    filled(settings).save(tmp_path)
    assert "a-secret-word" not in "".join(path.read_text("latin-1") for path in tmp_path.glob("*.*") if path.is_file())
    assert "a-secret-word" not in repr(settings)
    for wrong in (None, "root:another"):
        with pytest.raises(AuthError, match="GEONAV_MILVUS__TOKEN") as caught:
            MilvusIndex.load(tmp_path, "aa", MilvusConfig(token=wrong, timeout_s=5))  # type: ignore[arg-type]
        assert "another" not in str(caught.value)
    assert len(MilvusIndex.load(tmp_path, "aa", MilvusConfig(token=TOKEN))) == 60  # type: ignore[arg-type]


def test_nobody_answers(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        uri = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(NetworkError, match=r"does not answer.*--milvus-uri") as caught:
            filled(MilvusConfig(uri=uri, timeout_s=1)).save(tmp_path)
    assert "\n" not in str(caught.value)


def test_doctor_asks_a_server_that_is_configured(serve: Callable[..., str]) -> None:
    from geonav.pipeline.doctor_online import _milvus

    uri = serve(TOKEN)
    assert _milvus(MilvusConfig(uri=uri, token=TOKEN)).state == "ok"  # type: ignore[arg-type]
    refused = _milvus(MilvusConfig(uri=uri, timeout_s=1))
    assert (refused.state, refused.exit_code) == ("fail", 4)


def test_a_folder_that_another_process_has_open(tmp_path: Path) -> None:
    filled(None).save(tmp_path)
    program = """
import sys
from pathlib import Path
from geonav.errors import GeonavError
from geonav.retrieval.milvus import MilvusIndex
try:
    MilvusIndex.load(Path(sys.argv[1]), "aa")
except GeonavError as error:
    print(error.exit_code, error)
"""
    holder = MilvusIndex.load(tmp_path, "aa")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, env=environment, check=True
    )
    assert done.stdout.startswith("3 ")
    assert "open in another process" in done.stdout
    assert done.stdout.count("\n") == 1
    assert not done.stderr
    del holder


def test_collections_that_are_gone_or_of_something_else(serve: Callable[..., str], tmp_path: Path) -> None:
    uri = serve()
    index = filled(MilvusConfig(uri=uri))
    index.save(tmp_path)
    name = index._link.collection  # type: ignore[union-attr]
    store: Store = open_store(uri, MilvusConfig())
    store.delete_from(name, 50)
    with pytest.raises(DatabaseError, match=r"lacks vectors.*index global"):
        MilvusIndex.load(tmp_path, "aa")
    store.drop(name)
    with pytest.raises(DatabaseError, match=r"is gone.*index global"):
        MilvusIndex.load(tmp_path, "aa")
    store.create(name, DIM + 1, "aa")
    with pytest.raises(DatabaseError, match=r"17 numbers, not 16.*index global"):
        MilvusIndex.load(tmp_path, "aa")
    store.drop(name)
    link = tmp_path / "milvus-1.json"
    link.write_text(link.read_text().replace("geonav_aa_", "geonav_bb_"))
    with pytest.raises(DatabaseError, match=r"other settings.*index global"):
        MilvusIndex.load(tmp_path, "aa")


def test_without_the_extra_one_line_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pymilvus", None)
    with pytest.raises(UsageError, match=r"pip install 'geonav\[milvus\]'"):
        new_index("milvus", DIM, "aa", MilvusConfig(uri=str(tmp_path / "other.db"))).save(tmp_path)


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "city.db").write_text("not a folder")
    with pytest.raises(GeonavError, match=r"city\.db") as caught:
        filled(MilvusConfig(uri=str(tmp_path / "city.db"))).save(tmp_path / "index")
    assert caught.value.exit_code in {3, 8}
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "uri",
    [
        "ftp://host/x.db",
        "city",
        "http://me:secret@host:19530",
        "http://",
        "https:///x",
        "tcp://:19530",
        "http://host:port",
        "http://host:99999",
        "unix:",
    ],
)
def test_addresses_that_are_none_are_refused(uri: str) -> None:
    with pytest.raises(ValueError, match=r"http://|GEONAV_MILVUS__TOKEN"):
        MilvusConfig(uri=uri)


def test_a_folder_in_folders_that_are_not_there_yet(tmp_path: Path) -> None:
    filled(MilvusConfig(uri=str(tmp_path / "n1" / "n2" / "x.db"))).save(tmp_path / "index")
    assert len(MilvusIndex.load(tmp_path / "index", "aa")) == 60
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match=r"file/x\.db: .*choose another"):
        filled(MilvusConfig(uri=str(tmp_path / "file" / "x.db"))).save(tmp_path / "other")


@pytest.mark.parametrize("is_elsewhere", [True, False])
def test_reading_never_makes_a_folder_that_is_gone(is_elsewhere: bool, tmp_path: Path) -> None:
    uri = str(tmp_path / "away" / "x.db") if is_elsewhere else None
    filled(MilvusConfig(uri=uri)).save(tmp_path / "index")
    folder = tmp_path / "away" if is_elsewhere else tmp_path / "index" / "milvus.db"
    folder.rename(tmp_path / "moved")
    with pytest.raises(DatabaseError, match=r"\.db, .*is gone: put it back.*GEONAV_MILVUS__URI.*index global"):
        MilvusIndex.load(tmp_path / "index", "aa")
    assert not folder.exists()
    (tmp_path / "moved").rename(folder)
    assert len(MilvusIndex.load(tmp_path / "index", "aa")) == 60


def died(*_: Any) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("is_killed", [True, False])
def test_a_collection_that_cannot_be_dropped_is_dropped_later(
    is_killed: bool,
    serve: Callable[..., str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    guarded, free = serve(TOKEN), serve()
    opening = MilvusConfig(uri=guarded, token=TOKEN)  # type: ignore[arg-type]
    with monkeypatch.context() as patch:
        if is_killed:
            patch.setattr(Store, "insert", died)
        with pytest.raises(KeyboardInterrupt) if is_killed else nullcontext():
            filled(opening).save(tmp_path)
    filled(MilvusConfig(uri=free)).save(tmp_path)
    assert "is left until this index is next stored" in caplog.text
    assert len(list(tmp_path.glob("milvus-*.json"))) == 2
    assert len(open_store(guarded, opening)._client.list_collections()) == 1
    filled(MilvusConfig(uri=free, token=TOKEN)).save(tmp_path)  # type: ignore[arg-type]
    assert len(list(tmp_path.glob("milvus-*.json"))) == 1
    assert open_store(guarded, opening)._client.list_collections() == []
    assert len(collections(free)) == 1


def test_a_link_that_is_broken_goes_without_a_word(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    filled(None).save(tmp_path)
    (tmp_path / "milvus-7.json").write_text("{")
    filled(None).save(tmp_path)
    assert [path.name for path in tmp_path.glob("milvus-*.json")] == ["milvus-2.json"]
    assert not caplog.text


def test_a_link_into_a_folder_that_is_gone_goes_too(tmp_path: Path) -> None:
    filled(MilvusConfig(uri=str(tmp_path / "old" / "x.db"))).save(tmp_path / "index")
    shutil.rmtree(tmp_path / "old")
    filled(MilvusConfig(uri=str(tmp_path / "new.db"))).save(tmp_path / "index")
    assert len(list((tmp_path / "index").glob("milvus-*.json"))) == 1
    assert not (tmp_path / "old").exists()


@pytest.mark.parametrize("uri", ["http://host", "https://host:19530", "tcp://10.0.0.1:19530", "unix:/run/milvus.sock"])
def test_addresses_of_servers_are_taken(uri: str) -> None:
    assert MilvusConfig(uri=uri).uri == uri


@pytest.mark.parametrize("is_server", [True, False])
def test_a_type_of_index_that_milvus_does_not_have(is_server: bool, serve: Callable[..., str], tmp_path: Path) -> None:
    settings = MilvusConfig(uri=serve() if is_server else None, index_type="NOPE")
    with pytest.raises(UsageError, match=r"milvus\.index_type = NOPE.*FLAT") as caught:
        filled(settings).save(tmp_path)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    filled(MilvusConfig(uri=settings.uri)).save(tmp_path)
    assert len(MilvusIndex.load(tmp_path, "aa")) == 60
