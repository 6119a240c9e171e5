"""What ``geonav fetch`` counts, prices and asks for before it pays, and what it leaves alone."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from geonav.data.database import Database
from geonav.data.manifest import Manifest
from geonav.data.survey import Panorama, SearchQuery
from geonav.providers.registry import HEIGHT_SOURCES, PROVIDERS
from tests.cli.conftest import Run
from tests.pipeline import fake_sources
from tests.pipeline.fake_sources import FakeProvider, World, street

HERE = ["--point", "48.5", "8.25", "--radius", "50"]
DB = ["--database", "db"]


class OpenProvider(FakeProvider):
    """The same street, free, from cameras that know their height unless :attr:`alt_m` is None."""

    name = "open"
    paid_as = None
    alt_m: float | None = 100.0

    def search(self, query: SearchQuery) -> list[Panorama]:
        datum = None if self.alt_m is None else "egm96"
        return [replace(p, provider="open", alt_m=self.alt_m, alt_datum=datum) for p in super().search(query)]


@pytest.fixture(autouse=True)
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setitem(PROVIDERS._targets, "fake", "tests.pipeline.fake_sources:FakeProvider")
    monkeypatch.setitem(PROVIDERS._targets, "open", f"{__name__}:OpenProvider")
    monkeypatch.setitem(HEIGHT_SOURCES._targets, "google", "tests.pipeline.fake_sources:FakeHeights")
    monkeypatch.setattr("geonav.data.manifest.clock", lambda: fake_sources.NOON)
    monkeypatch.setenv("GEONAV_FETCH__SIZE_PX", "64")
    monkeypatch.setenv("GEONAV_FETCH__N_DIRECTIONS", "2")
    made = street(3)
    monkeypatch.setattr(FakeProvider, "world", made)
    return made


def plan_of(run: Run, *arguments: str) -> dict[str, object]:
    ended = run("fetch", *arguments, "--dry-run", "--json")
    assert ended.code == 0, ended.err
    plan: dict[str, object] = json.loads(ended.out)
    return plan


def test_pictures_of_a_provider_never_pay_for_the_heights_of_another(run: Run, world: World) -> None:
    for provider in ("fake", "open"):
        assert run("fetch", "metadata", *HERE, *DB, "--provider", provider).code == 0
    plan = plan_of(run, "panoramas", *DB, "--provider", "open")
    assert (plan["provider"], plan["panoramas"], plan["height_calls"], plan["estimates"]) == ("open", 3, 0, [])
    ended = run("fetch", "panoramas", *DB, "--provider", "open")
    assert (ended.code, ended.err) == (0, "")
    assert (world.count("heights"), len(Database.open("db"))) == (0, 6)
    assert plan_of(run, "panoramas", *DB, "--provider", "fake")["height_calls"] == 1
    assert plan_of(run, "elevation", *DB)["height_calls"] == 1


def test_heights_are_asked_for_below_the_provider_s_own_panoramas_alone(
    run: Run, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OpenProvider, "alt_m", None)
    for provider in ("fake", "open"):
        assert run("fetch", "metadata", *HERE, *DB, "--provider", provider).code == 0
    assert plan_of(run, "elevation", *DB)["height_calls"] == 2
    ended = run("fetch", "panoramas", *DB, "--provider", "open", "--yes", "--json")
    assert json.loads(ended.out)["stages"][0]["counts"] == {"done": 3}
    assert world.count("heights") == 1
    with Manifest.open(Database.open("db"), read_only=True) as manifest:
        assert manifest.heights.counts() == {"fake": {"pending": 3}, "open": {"done": 3}}
