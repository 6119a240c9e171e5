"""An index in Milvus: embedded and over the wire, found again by what the folder remembers, and refused in one line."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import numpy as np
import pytest

from geonav.errors import DatabaseError, NetworkError
from geonav.retrieval.flat import FlatIndex
from geonav.retrieval.milvus import MilvusIndex
from geonav.retrieval.milvus_rows import MilvusPlace

DIM = 16
ROOT = Path(__file__).parents[2]
SERVER = """
import sys
from milvus_lite.adapter.grpc.server import start_server_in_thread
server, database, port = start_server_in_thread(data_dir=sys.argv[1], host="127.0.0.1", port=0)
print(port, flush=True)
server.wait_for_termination()
"""


def vectors(count: int, dim: int = DIM, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(count, dim)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def names(count: int) -> list[str]:
    return [f"u{number:06}" for number in range(count)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("server") / "data.db"
    running = subprocess.Popen([sys.executable, "-c", SERVER, str(folder)], stdout=subprocess.PIPE, text=True)
    assert running.stdout is not None
    port = int(running.stdout.readline())
    yield f"http://127.0.0.1:{port}"
    running.kill()
    running.wait()
    running.stdout.close()


def test_a_server_holds_the_vectors_and_the_folder_remembers_it(server: str, tmp_path: Path) -> None:
    index, rows = MilvusIndex(DIM, "aa", MilvusPlace(server)), vectors(3000)
    index.add(names(3000), rows)
    index.save(tmp_path)
    assert not (tmp_path / "milvus.db").exists()
    again, flat = MilvusIndex.load(tmp_path, "aa"), FlatIndex(DIM, "aa")
    flat.add(names(3000), rows)
    for one in (again, flat):
        one.remove(names(3000)[:500])
        one.add(["zz"], vectors(1, seed=5))
    again.save(tmp_path)
    for one in (again, MilvusIndex.load(tmp_path, "aa")):
        for allowed in (None, frozenset(names(3000)[400:2900]), ["u000777", "zz"]):
            for query in vectors(5, seed=7):
                mine, theirs = one.search(query, 10, allowed=allowed), flat.search(query, 10, allowed=allowed)
                assert [uid for uid, _ in mine] == [uid for uid, _ in theirs]
                np.testing.assert_allclose([s for _, s in mine], [s for _, s in theirs], atol=1e-5)


def test_vectors_move_to_another_place(server: str, tmp_path: Path) -> None:
    index = MilvusIndex(DIM, "aa")
    index.add(names(50), vectors(50))
    index.save(tmp_path)
    before = index.search(vectors(1, seed=3)[0], 50)
    moved = MilvusIndex.load(tmp_path, "aa", MilvusPlace(server))
    moved.save(tmp_path)
    assert server in (tmp_path / "milvus.json").read_text()
    assert MilvusIndex.load(tmp_path, "aa").search(vectors(1, seed=3)[0], 50) == before


def test_what_does_not_answer_is_said_in_one_line(tmp_path: Path) -> None:
    index = MilvusIndex(DIM, "aa", MilvusPlace("http://127.0.0.1:1"))
    index.add(names(3), vectors(3))
    with pytest.raises(NetworkError, match=r"127.0.0.1:1 does not answer") as told:
        index.save(tmp_path)
    assert "\n" not in str(told.value)


def test_a_file_that_another_process_has_open_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "shared.db"
    running = subprocess.Popen([sys.executable, "-c", SERVER, str(path)], stdout=subprocess.PIPE, text=True)
    try:
        assert running.stdout is not None
        running.stdout.readline()
        index = MilvusIndex(DIM, "aa", MilvusPlace(str(path)))
        index.add(names(3), vectors(3))
        with pytest.raises(DatabaseError, match="one process may open it at a time"):
            index.save(tmp_path / "index")
    finally:
        running.kill()
        running.wait()
        assert running.stdout is not None
        running.stdout.close()


def test_a_collection_that_is_gone_is_no_index(server: str, tmp_path: Path) -> None:
    from pymilvus import MilvusClient

    index = MilvusIndex(DIM, "aa", MilvusPlace(server))
    index.add(names(3), vectors(3))
    index.save(tmp_path)
    client = MilvusClient(server)
    for name in client.list_collections():
        client.drop_collection(name)
    client.close()
    with pytest.raises(DatabaseError, match="index global"):
        MilvusIndex.load(tmp_path, "aa")


@pytest.mark.slow
def test_a_hundred_thousand_beside_the_flat_index(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    count, dim = 100_000, 512
    rows, index, flat = vectors(count, dim), MilvusIndex(dim, "aa"), FlatIndex(dim, "aa")
    start = time.perf_counter()
    index.add(names(count), rows)
    index.save(tmp_path / "milvus")
    saved_s = time.perf_counter() - start
    flat.add(names(count), rows)
    flat.save(tmp_path / "flat")
    queries = vectors(20, dim, seed=1)
    program = f"""
import sys, time, numpy as np
from pathlib import Path
start = time.perf_counter()
from geonav.retrieval.choose import open_index
index = open_index(Path({str(tmp_path / "milvus")!r}), "aa")
index.search(np.ones({dim}, np.float32), 10)
print(time.perf_counter() - start)
"""
    from geonav.retrieval.milvus_rows import close_all

    close_all()
    opened_s = float(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout)
    index, flat = MilvusIndex.load(tmp_path / "milvus", "aa"), FlatIndex.load(tmp_path / "flat", "aa")
    times: dict[str, list[float]] = {"milvus": [], "flat": []}
    for query in [*queries[:2], *queries]:
        answers = {}
        for name, one in (("milvus", index), ("flat", flat)):
            start = time.perf_counter()
            answers[name] = [uid for uid, _ in one.search(query, 10)]
            times[name].append(time.perf_counter() - start)
        assert answers["milvus"] == answers["flat"]
    warm = {name: median(found[2:]) for name, found in times.items()}
    with capsys.disabled():
        sys.stdout.write(
            f"\nstored in {saved_s:.0f} s ({count / saved_s:.0f} rows/s), opened and asked in {opened_s:.1f} s; "
            f"a query {warm['milvus'] * 1e3:.0f} ms, flat {warm['flat'] * 1e3:.0f} ms, "
            f"ratio {warm['milvus'] / warm['flat']:.1f}"
        )
    assert opened_s <= 5.0
    assert warm["milvus"] <= 3 * warm["flat"]
