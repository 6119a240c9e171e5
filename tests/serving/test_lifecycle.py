"""A server over a database that grows, and that is told to read it anew or to end."""

from __future__ import annotations

import shutil
import signal
import urllib.error
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from geonav.config import GeonavConfig
from geonav.data.database import Database
from geonav.pipeline.index import index_global
from tests.serving.inside import wait_until
from tests.serving.program import FAR, Program, started

LAST = "r0007"


def _health(program: Program) -> str:
    try:
        return str(program.get("/v1/health").json["status"])
    except (urllib.error.URLError, ConnectionError):
        return "gone"


def test_a_database_that_grows_is_read_anew_and_a_signal_ends_it_when_all_is_answered(
    small_database: Path, small_config: GeonavConfig, query: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "street"
    shutil.copytree(small_database, path)
    database = Database.open(path)
    entry = database.image_path(LAST).read_bytes(), database.metadata(LAST)
    database.remove_entry(LAST)
    index_global(database, small_config)
    with started(path, tmp_path / "log") as program:
        wait_until(
            lambda: f"street: 7 references, photos are located at {program.url} " in program.log.read_text("utf-8")
        )
        assert program.get("/v1/database").json["count"] == 7
        database.add_entry(LAST, *entry)
        index_global(database, small_config)
        assert "none of the 8 references" in program.localize(query, **FAR).json["reason"]
        assert program.get("/v1/database").json["count"] == 8
        assert program.get(f"/v1/references/{LAST}/image").status == 200
        shutil.rmtree(path / ".geonav" / "index")  # nothing to read any more: it goes on with what it has
        program.process.send_signal(signal.SIGHUP)
        assert "none of the 8 references" in program.localize(query, **FAR).json["reason"]
        assert "cannot be read anew, the old one is kept" in program.log.read_text("utf-8")
        with ThreadPoolExecutor(1) as client:
            begun = client.submit(program.localize, query)
            wait_until(lambda: program.metric("geonav_photos_running") == 1)
            program.process.send_signal(signal.SIGINT)
            wait_until(lambda: _health(program) != "ready")
            assert begun.result().status == 200
        assert program.process.wait(60) == 0
        assert "Traceback" not in program.log.read_text("utf-8")
