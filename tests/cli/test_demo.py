"""``geonav demo serve``: started and ended as a user does."""

from __future__ import annotations

import shlex
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import requests

from geonav.cli.demo import environment_of, parse_faults
from geonav.config import GeonavConfig, load_config
from geonav.data.survey import SamplePoint
from geonav.errors import UsageError
from geonav.providers.demo.provider import DemoProvider
from geonav.providers.demo.twin import Faults, Twin
from tests.cli.conftest import Run
from tests.providers.twin.stand_in import StandInCity


@contextmanager
def serving(*arguments: str) -> Iterator[subprocess.Popen]:
    command = [sys.executable, "-m", "geonav", "demo", "serve", "--port", "0", "--panoramas", "2", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def ready(process: subprocess.Popen) -> str:
    """The line on stderr that says where; all of stdout is written before it."""
    return process.stderr.readline()


def printed_until_end(process: subprocess.Popen) -> tuple[str, str]:
    process.send_signal(signal.SIGINT)
    return process.communicate(timeout=20)


def test_what_it_prints_points_geonav_at_it(monkeypatch: pytest.MonkeyPatch):
    with serving() as process:
        assert "2 panoramas is served at http://127.0.0.1:" in ready(process)
        lines = [process.stdout.readline() for _ in range(len(environment_of(Twin(StandInCity()).settings())))]
        for line in lines:
            export, assignment = shlex.split(line)
            name, _, value = assignment.partition("=")
            assert export == "export"
            monkeypatch.setenv(name, value)
        config = load_config()
        status = requests.get(f"{config.google.url}/status", timeout=5)
        provider = DemoProvider.from_config(config)
        elsewhere = provider.search(provider.queries(None, [SamplePoint(0.0, 0.0)])[0])
        out, err = printed_until_end(process)
    assert status.text == "OK"
    assert elsewhere == []
    assert config.fetch.provider == "demo"
    assert (process.returncode, out) == (0, "")
    assert err == "2 calls, 0 of them images that cost money\n"


def test_settings_as_toml_and_faults_on_request():
    with serving("--toml", "--fault", "503=1", "--fault-path", "search") as process:
        ready(process)
        out, _ = printed_until_end(process)
    config = GeonavConfig.model_validate(tomllib.loads(out))
    assert config.osm.overpass_url == f"{config.google.url}/api"
    assert process.returncode == 0


def test_settings_and_variables_say_the_same(monkeypatch: pytest.MonkeyPatch):
    with Twin(StandInCity()) as twin:
        for name, value in environment_of(twin.settings()).items():
            monkeypatch.setenv(name, value)
        assert load_config() == GeonavConfig.model_validate(twin.settings())


def test_faults_are_read_from_the_command_line():
    assert parse_faults(["503=0.25", "wrong_length=1"], 3, "x") == Faults(
        {"503": 0.25, "wrong-length": 1.0}, seed=3, only="x"
    )


@pytest.mark.parametrize("text", ["503", "503=", "503=often", "=1", "fire=0.1", "503=2"])
def test_faults_that_make_no_sense_are_refused(text):
    with pytest.raises(UsageError):
        parse_faults([text], 0)


def test_a_taken_port_is_one_line(run: Run):
    with Twin(StandInCity()) as twin:
        port = twin.base_url.rpartition(":")[2]
        ended = run("demo", "serve", "--port", port, "--panoramas", "1")
    assert ended.code == 5
    assert ended.err.startswith(f"error: cannot listen at 127.0.0.1:{port}")
