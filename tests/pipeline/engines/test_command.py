"""The program with an engine: a cluster of its own, started, interrupted, ended; and what is refused."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from geonav.cli.app import main
from geonav.config import load_config
from geonav.data.database import Database
from geonav.errors import MissingError
from geonav.pipeline.engines.registry import engine_of
from tests.pipeline.test_index import add

pytestmark = pytest.mark.slow  # a cluster takes half a minute to start

ROOT = Path(__file__).parents[3]


@pytest.fixture
def database(tmp_path: Path) -> Database:
    made = Database.create(tmp_path / "db")
    for number in range(8):
        add(made, f"p{number}", number)
    return made


def started(database: Database, *options: str) -> subprocess.Popen[str]:
    """The program as a user starts it, in a group of its own as a terminal does."""
    command = [sys.executable, "-m", "geonav", "index", "local", "--database", str(database.path), *options]
    return subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def of_session(name: str) -> list[str]:
    """Command lines of processes that name a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if name in line:
            found.append(line)
    return found


def test_a_cluster_is_started_for_the_run_and_ended_with_it(database: Database) -> None:
    program = started(database, "--engine", "ray", "--workers", "2", "--max-keypoints", "60")
    listening = set()
    while program.poll() is None:
        listening |= open_to_all(program.pid)
        time.sleep(0.2)
    out, err = program.communicate()
    assert (program.returncode, out, err) == (0, "8 computed, 0 there already, 0 failed\n", "")
    assert not listening, "Ray binds to the loopback address alone"
    assert started(database).communicate(timeout=100)[0] == "0 computed, 8 there already, 0 failed\n"


@pytest.mark.slow
def test_an_interruption_ends_the_cluster_and_keeps_what_is_stored(database: Database) -> None:
    program = started(database, "--engine", "ray", "--workers", "1")
    first = [database.path / f"p{number}" / "disk_descriptor.npz" for number in range(8)]
    while not any(path.exists() for path in first) and program.poll() is None:
        time.sleep(0.02)
    os.killpg(program.pid, signal.SIGINT)
    _, err = program.communicate(timeout=60)
    kept = sum(path.exists() for path in first)
    assert (program.returncode, err) == (130, "interrupted: run the same command again to go on\n")
    assert 0 < kept <= 8
    end = time.monotonic() + 20
    while any(f"/{program.pid}/" in path for path in of_session("raylet")) and time.monotonic() < end:
        time.sleep(0.2)
    out = started(database).communicate(timeout=200)[0]
    assert out == f"{8 - kept} computed, {kept} there already, 0 failed\n"


def open_to_all(parent: int) -> set[str]:
    """Addresses beyond the loopback that a process or its children listen on."""
    inodes = set()
    for pid in descendants(parent):
        try:
            links = [str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()]
        except OSError:
            continue
        inodes |= {link[8:-1] for link in links if link.startswith("socket:[")}
    found = set()
    for table in ("tcp", "tcp6"):
        rows = [line.split() for line in Path(f"/proc/net/{table}").read_text("ascii").splitlines()[1:]]
        for row in rows:
            host = row[1].partition(":")[0]
            if row[3] == "0A" and row[9] in inodes and host not in LOOPBACK:
                found.add(row[1])
    return found


LOOPBACK = {"0100007F", "00000000000000000000000001000000", "0000000000000000FFFF00000100007F"}


def descendants(parent: int) -> list[int]:
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(path.parent.name)] = int(path.read_text("utf-8").rpartition(")")[2].split()[1])
        except OSError:
            continue
    found = [parent]
    for pid in found:
        found += [child for child, above in parents.items() if above == pid]
    return found


@pytest.mark.parametrize(
    ("options", "code", "reason"),
    [
        (["--engine", "rey"], 2, "unknown engine 'rey': did you mean 'ray'?"),
        (["--workers", "2"], 2, "--workers says how --engine ray works, and the engine is local"),
        (["--ray-address", "auto"], 2, "--ray-address says how --engine ray works"),
        (["--engine", "ray", "--ray-address", "ray://head:10001"], 2, "is no HOST:PORT"),
        (["--engine", "ray", "--ray-address", "head"], 2, "is neither auto nor HOST:PORT"),
        (["--shard", "0/3"], 2, "--shard '0/3' is no share: write 1/16"),
        (["--shard", ""], 2, "--shard '' is no share: write 1/16"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    options: list[str], code: int, reason: str, database: Database, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["index", "local", "--database", str(database.path), *options]) == code
    said = capfd.readouterr().err
    assert reason in said
    assert said.count("\n") == 1


def test_a_cluster_that_does_not_answer_is_named(database: Database, capfd: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    code = main(["index", "local", "--database", str(database.path), "--engine", "ray", "--ray-address", address])
    said = capfd.readouterr().err
    assert code == 5
    assert said.startswith(f"error: there is no Ray cluster at {address} to join")
    assert said.count("\n") == 1


def test_without_the_extra_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingError, match=r"pip install 'geonav\[ray\]'"):
        engine_of(load_config(overrides={"engine": {"name": "ray"}}))
