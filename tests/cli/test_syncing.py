"""``geonav database push`` and ``pull`` as processes: what they print, killed at any moment, out of room."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import requests

from geonav.data.database import Database
from geonav.errors import DatabaseError
from geonav.pipeline.syncing import PushReport
from tests.cli.conftest import Run
from tests.pipeline.syncing.s3_server import S3Server, error_body
from tests.pipeline.syncing.trees import add_entry, contents, make_database

ROOT = Path(__file__).parents[2]
# Ends the process, as kill -9 does, at the given rename: every file that counts appears by one.
KILLED_AT = """
import os, signal, sys
left = int(sys.argv.pop(1))
def hook(event, arguments):
    global left
    if event == "os.rename":
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hook)
from geonav.cli.app import main
sys.exit(main())
"""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    """An empty bucket, and what a user sets to reach it."""
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    made = S3Server()
    requests.post(f"{made.url}/moto-api/reset", timeout=10)
    requests.put(f"{made.url}/bucket", timeout=10)
    made.requests.clear()
    settings = {
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "GEONAV_STORAGE__ENDPOINT_URL": made.url,
        "GEONAV_STORAGE__PACK_MB": "1",
        "GEONAV_STORAGE__BACKOFF_S": "0.01",
        "GEONAV_STORAGE__WORKERS": "1",
        "PYTHONPATH": str(ROOT),
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    yield made
    made.stop()


def _big(folder: Path) -> Database:
    """A database of five packs."""
    database = make_database(folder)
    rng = np.random.default_rng(7)
    for number in range(5):
        add_entry(folder, f"big{number}", rng)
        (folder / f"big{number}" / "image.jpg").write_bytes(rng.bytes(700_000))
    return database


def test_both_say_what_they_did(server: S3Server, run: Run) -> None:
    make_database(Path("here"))
    ended = run("database", "push", "s3://bucket/city", "--database", "here", "--dry-run")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("s3://bucket/city: would send at most 9 files,")
    ended = run("database", "push", "s3://bucket/city", "--database", "here")
    assert ended.out.startswith("s3://bucket/city: generation 1, 9 files,")
    assert ended.out.endswith(" sent, 0 gone, 9 there now; 4 requests\n")
    report = json.loads(run("database", "pull", "s3://bucket/city", "-d", "there", "--workers", "2", "--json").out)
    assert (report["generation"], report["fetched_files"], report["requests"]) == (1, 9, 4)
    assert contents(Path("there")) == contents(Path("here"))


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("pull", "s3://bucket/none", "-d", "new"), 3, "error: s3://bucket/none: nothing was pushed there yet"),
        (("pull", "s3://none/city", "-d", "new"), 3, "error: s3://none/city/generations: there is no such bucket"),
        (("pull", "s3://k:s@bucket", "-d", "new"), 2, "error: s3://[hidden]@bucket holds a key"),
        (("push", "s3://bucket/city", "-d", "none"), 3, "error: there is no database at none"),
        (("pull", "s3://bucket/city"), 2, "error: no database named"),
    ],
)
def test_errors_are_one_line(arguments: tuple[str, ...], code: int, message: str, server: S3Server, run: Run) -> None:
    ended = run("database", *arguments)
    assert (ended.code, ended.out, ended.err.count("\n")) == (code, "", 1)
    assert ended.err.startswith(message)
    assert not Path("new").exists()


def test_a_refusal_and_a_dead_network_have_codes_of_their_own(server: S3Server, run: Run) -> None:
    make_database(Path("here"))
    server.fault = lambda method, path: ("403 Forbidden", error_body("AccessDenied"))
    assert run("database", "push", "s3://bucket/city", "-d", "here").code == 4
    server.fault = lambda method, path: ("503 Slow Down", error_body("SlowDown"))
    assert run("database", "push", "s3://bucket/city", "-d", "here").code == 5


def _start(*arguments: str | Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "geonav", "database", *map(str, arguments)])


def _killed_after(server: S3Server, requests_of: tuple[str, str], count: int, *arguments: str | Path) -> None:
    """Run a command and kill it while the server holds back its answer to the given request."""
    reached = threading.Event()
    left = [count]

    def fault(method: str, path: str) -> None:
        if method == requests_of[0] and f"/{requests_of[1]}/" in path:
            left[0] -= 1
            if left[0] < 0:
                reached.set()
                time.sleep(0.2)

    server.fault = fault
    process = _start(*arguments)
    assert reached.wait(30)
    process.kill()
    assert process.wait(10) == -9
    server.fault = None
    time.sleep(0.3)  # what the server was still answering


def test_a_push_that_is_killed_goes_on(server: S3Server, run: Run) -> None:
    _big(Path("here"))
    sent = 0
    for folder, count in (("packs", 2), ("generations", 0)):
        server.requests.clear()
        _killed_after(server, ("PUT", folder), count, "push", "s3://bucket/city", "-d", "here")
        sent += sum(size for _, size in server.written("packs"))
        Database.open("here")
    server.requests.clear()
    ended = run("database", "push", "s3://bucket/city", "-d", "here")
    assert ended.code == 0, ended.err
    assert server.written("packs") == []
    assert ended.out.startswith("s3://bucket/city: generation 1, 0 files, ")
    whole = sum(path.stat().st_size for path in map(Path("here").joinpath, contents(Path("here"))))
    assert sent <= whole + 2 * 1_100_000  # at most the packs under way are sent again
    assert run("database", "pull", "s3://bucket/city", "-d", "there").code == 0
    assert contents(Path("there")) == contents(Path("here"))


def test_a_pull_that_is_killed_goes_on(server: S3Server, run: Run) -> None:
    _big(Path("here"))
    assert run("database", "push", "s3://bucket/city", "-d", "here").code == 0
    _killed_after(server, ("GET", "packs"), 3, "pull", "s3://bucket/city", "-d", "there")
    with pytest.raises(DatabaseError, match="is not a database"):
        Database.open("there")
    report = json.loads(run("database", "pull", "s3://bucket/city", "-d", "there", "--json").out)
    whole = sum(path.stat().st_size for path in map(Path("here").joinpath, contents(Path("here"))))
    assert report["fetched_bytes"] < 0.7 * whole
    assert contents(Path("there")) == contents(Path("here"))


def _kill_at_rename(count: int, *arguments: str | Path) -> bool:
    """Run a command that is killed at a rename; False if it came to its end before."""
    command = [sys.executable, "-c", KILLED_AT, str(count), "database", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    code = subprocess.run(command, check=False, capture_output=True, timeout=60, env=environment).returncode
    assert code in (0, -9)
    return code == -9


STEPS = [3, pytest.param(1, marks=pytest.mark.slow)]


@pytest.mark.parametrize("step", STEPS)
def test_a_pull_that_is_killed_anywhere_never_looks_whole(step: int, run: Run) -> None:
    old, new = _two_generations(run)
    seen = []
    for count in range(0, 99, step):
        there = Path(f"there{count}")
        shutil.copytree("there", there)
        is_killed = _kill_at_rename(count, "pull", "remote", "-d", there)
        try:
            Database.open(there)
        except DatabaseError as error:
            told = f"{there} is half pulled: run 'geonav database pull"
            seen.append("half" if str(error).startswith(told) else str(error))
        else:
            assert contents(there) in (old, new)
            seen.append("new" if contents(there) == new else "old")
        assert run("database", "pull", "remote", "-d", there).code == 0
        assert contents(there) == new
        if not is_killed:
            break
    assert list(dict.fromkeys(seen)) == ["old", "half", "new"]


@pytest.mark.parametrize("step", STEPS)
def test_a_push_that_is_killed_anywhere_is_old_or_new(step: int, run: Run) -> None:
    old, new = _two_generations(run, is_pushed=False)
    seen = []
    for count in range(0, 99, step):
        here, remote, there = (Path(f"{name}{count}") for name in ("here", "remote", "there"))
        shutil.copytree("here", here)
        shutil.copytree("remote", remote)
        (here / ".geonav" / "sync").rename("sync")  # what is known of one remote is not known of another
        assert run("database", "pull", remote, "-d", there).code == 0
        shutil.rmtree("sync")
        shutil.copytree(there / ".geonav" / "sync", here / ".geonav" / "sync")
        is_killed = _kill_at_rename(count, "push", remote, "-d", here)
        assert run("database", "pull", remote, "-d", there).code == 0
        seen.append("new" if contents(there) == new else "old")
        assert contents(there) in (old, new)
        ended = run("database", "push", remote, "-d", here)
        assert ended.code == 0, ended.err
        assert run("database", "pull", remote, "-d", there).code == 0
        assert contents(there) == new
        if not is_killed:
            break
    assert list(dict.fromkeys(seen)) == ["old", "new"]


def _two_generations(run: Run, *, is_pushed: bool = True) -> tuple[dict[str, str], dict[str, str]]:
    """``here`` changed after it was pushed to ``remote`` and pulled to ``there``; what it held then and holds now."""
    make_database(Path("here"), entries=1)
    assert run("database", "push", "remote", "-d", "here").code == 0
    assert run("database", "pull", "remote", "-d", "there").code == 0
    old = contents(Path("here"))
    add_entry(Path("here"), "new", np.random.default_rng(2))
    (Path("here") / "0000" / "metadata.json").write_text("changed")
    (Path("here") / ".geonav" / "index" / "vlad" / "empty").unlink()
    if is_pushed:
        assert run("database", "push", "remote", "-d", "here").code == 0
    return old, contents(Path("here"))


def test_a_disk_that_fills_up_is_said_and_resumed(run: Run, run_process: Run) -> None:
    _big(Path("here"))
    assert run("database", "push", "remote", "-d", "here").code == 0
    pull = ("database", "pull", "remote", "-d", "there")
    ended = run_process(
        *pull,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)),
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert (ended.code, ended.err.count("\n")) == (8, 1)
    assert ended.err.startswith("error: cannot write there/.geonav/sync/")
    assert run(*pull).code == 0
    assert contents(Path("there")) == contents(Path("here"))


def test_one_object_is_one(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    make_database(tmp_path / "db")
    report = PushReport("there", damaged=1, pruned=1, sent_files=1, requests=1)
    monkeypatch.setattr("geonav.pipeline.syncing.push_database", lambda *_: report)
    said = run("database", "push", "there", "-d", "db").out
    assert "1 damaged object replaced, 1 object pruned; 1 request\n" in said
