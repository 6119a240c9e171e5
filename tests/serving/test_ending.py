"""How a server starts and ends: ports in use, keys, busy queues, signals, and a power cut."""

from __future__ import annotations

import os
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import cycle
from pathlib import Path

import pytest

from geonav.config import GeonavConfig
from geonav.data.database import Database
from geonav.pipeline.check import check_database
from geonav.pipeline.localize import Localizer
from tests.conftest import StreetPhotos
from tests.serving.program import FAR, ROOT, Program, Reply, started

# Taken out of the environment: the program refuses variables of its own name that are no settings.
LOAD_S = float(os.environ.pop("GEONAV_TEST_LOAD_S", "600"))
KEY = "s3cret-key"


def _wait_for(condition: object, seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_port_in_use_is_one_line(small_database: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "geonav", "serve", "--database", str(small_database), "--port", port]
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    wanted = f"error: port {port} of 127.0.0.1 is in use: stop what uses it, or name another with --port\n"
    assert (ended.returncode, ended.stderr) == (2, wanted)


def test_a_database_without_an_index_is_one_line(street_database_path: Path) -> None:
    command = [sys.executable, "-m", "geonav", "serve", "--database", str(street_database_path), "--port", "0"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert ended.returncode == 3
    assert ended.stderr.startswith("error: ")
    assert ended.stderr.count("\n") == 1
    assert "geonav index" in ended.stderr


def test_a_key_a_full_queue_and_an_end_that_finishes_what_was_begun(
    small_database: Path, query: bytes, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    options = ("--queue", "1", "--keep-uploads", str(kept), "--cors-origin", "https://a.example", "--grace", "120")
    environment = {"GEONAV_SERVE__API_KEY": KEY}
    with started(small_database, tmp_path / "log", *options, environment=environment) as program:
        assert program.get("/v1/database").status == 401
        assert program.get("/v1/database", {"Authorization": "Bearer wrong"}).status == 401
        assert program.get("/v1/database", {"X-API-Key": KEY}).status == 200
        allowed = program.get("/v1/database", {"Authorization": f"Bearer {KEY}", "Origin": "https://a.example"})
        assert allowed.headers["access-control-allow-origin"] == "https://a.example"
        assert program.localize(query).status == 401
        asked = program.with_headers({"X-API-Key": KEY})
        with ThreadPoolExecutor(4) as pool:
            first = pool.submit(asked.localize, query)
            _wait_for(
                lambda: kept.is_dir() and asked.metric("geonav_queue_length") == 0 and len(list(kept.iterdir())) == 1
            )
            time.sleep(0.3)  # taken from the queue
            others = [pool.submit(asked.localize, query, "photo.jpg", **FAR) for _ in range(3)]
            busy = [reply for reply in map(Future.result, others) if reply.status != 200]
            assert {reply.status for reply in busy} == {429}
            assert all(int(reply.headers["retry-after"]) >= 1 for reply in busy)
            assert first.result().status == 200
            before = len(list(kept.iterdir()))
            last = pool.submit(asked.localize, query)
            _wait_for(lambda: len(list(kept.iterdir())) > before)
            program.process.send_signal(signal.SIGTERM)
            _wait_for(lambda: asked.get("/v1/health").status == 503)
            assert asked.get("/v1/health").json["status"] == "draining"
            refused = asked.localize(query)
            assert (refused.status, refused.json["error"]["code"]) == (503, "not_ready")
            assert last.result().status == 200
        assert program.process.wait(60) == 0
    log = (tmp_path / "log").read_text("utf-8")
    assert "Traceback" not in log
    assert KEY not in log
    assert {path.read_bytes() for path in kept.iterdir()} == {query}


def _clients(program: Program, photos: list[bytes], seconds: float, count: int) -> tuple[Counter[int], list[float]]:
    """Ask with so many clients at once; how often each status came, and the server's memory on the way."""
    until = time.monotonic() + seconds
    statuses: Counter[int] = Counter()
    memory: list[float] = []

    def client(number: int) -> None:
        for photo in cycle(photos[number % len(photos) :] + photos[: number % len(photos)]):
            if time.monotonic() > until:
                return
            reply: Reply = program.localize(photo)
            statuses[reply.status] += 1
            memory.append(program.memory_mb("VmRSS"))
            if reply.status == 429:
                time.sleep(int(reply.headers["retry-after"]))

    with ThreadPoolExecutor(count) as pool:
        for done in [pool.submit(client, number) for number in range(count)]:
            done.result()
    return statuses, memory


@pytest.mark.slow
def test_sixteen_clients_are_served_as_fast_as_a_batch(
    small_database: Path, small_config: GeonavConfig, street_photos: StreetPhotos, tmp_path: Path
) -> None:
    localizer = Localizer(Database.open(small_database), small_config)
    photos = street_photos.queries

    def batch(seconds: float) -> float:
        start, done = time.monotonic(), 0
        while time.monotonic() - start < seconds or done % len(photos):
            localizer.locate(photos[done % len(photos)])
            done += 1
        return done / (time.monotonic() - start)

    batch(1)
    before = batch(LOAD_S / 4)
    with started(small_database, tmp_path / "log", "--time-limit", "1700") as program:
        program.localize(photos[0].read_bytes())
        start = time.monotonic()
        statuses, memory = _clients(program, [path.read_bytes() for path in photos], LOAD_S, 16)
        rate = statuses[200] / (time.monotonic() - start)
    after = batch(LOAD_S / 4)
    third = len(memory) // 3
    early, late = statistics.median(memory[third : 2 * third]), statistics.median(memory[2 * third :])
    print(  # noqa: T201
        f"batch {before:.3f} and {after:.3f} a second, served {rate:.3f}: {rate / ((before + after) / 2):.2f}; "
        f"{dict(statuses)}; memory {early:.0f}, then {late:.0f} MB, most {max(memory):.0f}"
    )
    assert set(statuses) <= {200, 429}
    assert late < early * 1.03 + 10
    assert rate >= 0.9 * (before + after) / 2


@pytest.mark.slow
def test_a_power_cut_under_load_harms_nothing(small_database: Path, query: bytes, tmp_path: Path) -> None:
    first_answer_s(small_database, query, tmp_path / "warm")  # the system reads libraries and weights from the disk
    cold, again = [], []
    for turn in range(3):
        cold.append(first_answer_s(small_database, query, tmp_path / f"cold-{turn}"))
        with started(small_database, tmp_path / f"cut-{turn}") as program, ThreadPoolExecutor(4) as pool:
            assert program.localize(query).status == 200
            asked = [pool.submit(program.localize, query) for _ in range(4)]
            time.sleep(1)
            program.process.kill()
            assert all(each.exception() is not None for each in asked)
        again.append(first_answer_s(small_database, query, tmp_path / f"again-{turn}"))
        assert check_database(Database.open(small_database)).is_sound
    print(f"first answers after {cold} s, after cuts {again} s")  # noqa: T201
    assert statistics.median(again) < 1.2 * statistics.median(cold)


def first_answer_s(database: Path, query: bytes, folder: Path) -> float:
    """From starting the program to its answer."""
    start = time.monotonic()
    with started(database, folder) as program:
        assert program.localize(query).json["status"] == "located"
        return round(time.monotonic() - start, 1)
