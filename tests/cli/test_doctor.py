"""``geonav doctor``: every check in its states, and no key in sight."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from geonav.providers.demo.twin import Access, Faults, Twin
from tests.cli.conftest import Ended, Run
from tests.providers.twin.stand_in import StandInCity

SECRETS = {
    "GOOGLE_MAPS_API_KEY": "AIza-7f3d9c",
    "GOOGLE_MAPS_SIGNING_SECRET": "c2VjcmV0LW9m",
    "MAPILLARY_ACCESS_TOKEN": "MLY|tok-51",
}


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in SECRETS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GEONAV_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def with_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)


def served(monkeypatch: pytest.MonkeyPatch, twin: Twin) -> None:
    """Point every service at a twin."""
    from geonav.cli.demo import environment_of

    for name, value in environment_of(twin.settings()).items():
        monkeypatch.setenv(name, value)


def checks_of(ended: Ended) -> dict[str, dict]:
    return {check["name"]: check for check in json.loads(ended.out)["checks"]}


def test_a_fresh_machine_fails_nothing(run: Run):
    ended = run("doctor")
    assert ended.code == 0
    lines = ended.out.splitlines()
    assert {line[:4] for line in lines[:-1]} <= {"ok  ", "warn"}
    assert lines[-1].endswith(" to look at, 0 failed")
    imagery = next(line for line in lines if " imagery: " in line)
    assert imagery.startswith("warn")
    assert "GOOGLE_MAPS_API_KEY" in imagery


def test_json_holds_every_check(run: Run):
    ended = run("doctor", "--json")
    found = checks_of(ended)
    assert set(found) == {
        "system", "packages", "extras", "configuration", "device", "weights", "cache", "database",
        "key google.api_key", "key google.signing_secret", "key mapillary.access_token", "imagery", "elevation",
    }  # fmt: skip
    counts = {state: sum(check["state"] == state for check in found.values()) for state in ("ok", "warn", "fail")}
    assert {state: json.loads(ended.out)[state] for state in counts} == counts


@pytest.mark.usefixtures("with_keys")
def test_keys_are_named_and_never_shown(run: Run):
    for arguments in (["doctor"], ["doctor", "--json"], ["--verbose", "doctor"]):
        ended = run(*arguments)
        assert not any(value in ended.out + ended.err for value in SECRETS.values())
    assert checks_of(run("doctor", "--json"))["key google.api_key"]["found"] == "set (11 characters)"


def test_a_key_of_another_form_is_doubted(run: Run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GOOGLE_MAPS_API_KEY", "hunter2")
    ended = run("doctor", "--json")
    assert checks_of(ended)["key google.api_key"]["state"] == "warn"
    assert "hunter2" not in ended.out


def test_the_configuration_in_use_is_named(run: Run, tmp_path: Path):
    (tmp_path / "geonav.toml").write_text("seed = 3\n")
    assert checks_of(run("doctor", "--json"))["configuration"]["found"] == str(tmp_path / "geonav.toml")


@pytest.mark.parametrize(
    ("variable", "value", "check", "code"),
    [
        ("GEONAV_DEVICE", "cuda:63", "device", 2),
        ("GEONAV_LOCAL__MODEL", "sift", "weights", 2),
        ("GEONAV_FETCH__PROVIDER", "bing", "imagery", 2),
        ("GEONAV_WEIGHTS__OFFLINE", "true", "weights", 3),
        ("GEONAV_DATABASE", "a_file", "database", 3),
        ("GEONAV_CACHE_DIR", "a_file", "cache", 8),
    ],
)
def test_what_is_configured_and_cannot_work_fails(
    run: Run, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, check: str, code: int
):
    Path("a_file").write_text("no folder")
    monkeypatch.setenv(variable, value)
    ended = run("doctor", "--json")
    assert ended.code == code
    assert [name for name, found in checks_of(ended).items() if found["state"] == "fail"] == [check]
    assert f"the first being {check}: " in ended.err
    assert ended.err.count("\n") == 1


def test_online_calls_each_service_once_and_none_that_costs(run: Run, monkeypatch: pytest.MonkeyPatch):
    with Twin(StandInCity()) as twin:
        served(monkeypatch, twin)
        monkeypatch.setenv("GEONAV_ELEVATION__SOURCE", "open-meteo")
        ended = run("doctor", "--online", "--json")
    found = checks_of(ended)
    assert ended.code == 0
    services = ["google metadata", "mapillary", "panoramax", "nominatim", "overpass", "open-meteo"]
    assert [found[name]["state"] for name in services] == ["ok"] * len(services)
    assert twin.calls.services == {
        "street_view_metadata": 1,
        "mapillary": 1,
        "panoramax": 1,
        "nominatim_status": 1,
        "overpass_status": 1,
        "open_meteo": 1,
    }
    assert twin.calls.billed == {}
    assert "0.0070" in found["google images"]["found"]
    assert found["clock"]["found"] == "as the services'"


def test_online_without_keys_calls_no_service_that_needs_one(run: Run, monkeypatch: pytest.MonkeyPatch):
    with Twin(StandInCity()) as twin:
        served(monkeypatch, twin)
        for name in ("GOOGLE_MAPS_API_KEY", "MAPILLARY_ACCESS_TOKEN"):
            monkeypatch.delenv(name)
        found = checks_of(run("doctor", "--online", "--json"))
    assert found["google metadata"]["found"] == "not called: no key"
    assert found["mapillary"]["found"] == "not called: no token"
    assert "street_view_metadata" not in twin.calls.services


@pytest.mark.usefixtures("with_keys")
def test_a_refused_key_fails_with_its_code_and_stays_hidden(run: Run, monkeypatch: pytest.MonkeyPatch):
    with Twin(StandInCity(), access=Access(google_key="AIza-other", mapillary_token="other")) as twin:  # noqa: S106
        served(monkeypatch, twin)
        for name, value in SECRETS.items():
            monkeypatch.setenv(name, value)
        ended = run("doctor", "--online", "--json")
    found = checks_of(ended)
    assert (ended.code, found["google metadata"]["state"]) == (4, "fail")
    assert found["mapillary"]["state"] == "warn"  # imagery is configured to come from elsewhere
    assert not any(value in ended.out + ended.err for value in SECRETS.values())


def test_services_that_are_not_needed_only_warn_when_down(run: Run, monkeypatch: pytest.MonkeyPatch):
    faults = Faults({"503": 1.0}, only="^/(status|api/)", retry_after_s=0)
    with Twin(StandInCity(), faults) as twin:
        served(monkeypatch, twin)
        down = run("doctor", "--online", "--json")
        monkeypatch.setenv("GEONAV_FETCH__PROVIDER", "panoramax")
        needed = run("doctor", "--online", "--json")
    assert [checks_of(down)[name]["state"] for name in ("panoramax", "nominatim", "overpass")] == ["warn"] * 3
    assert down.code == 0
    assert (needed.code, checks_of(needed)["panoramax"]["state"]) == (5, "fail")
