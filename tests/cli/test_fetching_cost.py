"""What ``geonav fetch`` counts, prices and asks for before it pays, and what it leaves alone."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from geonav.data.database import Database
from geonav.data.manifest import Manifest
from geonav.data.survey import Panorama, SearchQuery
from geonav.providers.demo.twin import Faults, Twin
from geonav.providers.registry import HEIGHT_SOURCES, PROVIDERS
from tests.cli.conftest import Run
from tests.pipeline import fake_sources
from tests.pipeline.fake_sources import FakeProvider, World, street
from tests.providers.twin.stand_in import StandInCity

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


def test_answers_that_cannot_be_used_count_as_paid_and_max_cost_stops_on_them(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = Faults({"grey": 0.4, "truncated": 0.3}, only="streetview$", seed=3)
    with Twin(StandInCity(), faults) as twin:
        monkeypatch.setenv("GEONAV_GOOGLE__URL", twin.base_url)
        monkeypatch.setenv("GOOGLE_MAPS_API_KEY", "any")
        monkeypatch.setenv("GEONAV_GOOGLE__TERMS_ACKNOWLEDGED", "true")
        monkeypatch.setenv("GEONAV_FETCH__BACKOFF_S", "0.001")
        monkeypatch.setenv("GEONAV_PRICES__STREET_VIEW", "[[1e9, 1000.0]]")
        monkeypatch.setenv("GEONAV_ELEVATION__SOURCE", "constant")
        centre = StandInCity().panoramas[0]
        where = ["--point", str(centre.lat), str(centre.lng), "--radius", "60", "--spacing", "20"]
        assert run("fetch", "metadata", *where, *DB, "--provider", "google").code == 0
        needed = int(str(plan_of(run, "panoramas", *DB)["picture_calls"]))
        stopped = run("fetch", "panoramas", *DB, "--yes", "--max-cost", str(needed))
        assert (stopped.code, stopped.err.count("error: stopped after")) == (2, 1)
        assert spent() == needed, "as many calls as could be paid, and not one more"
        kept = len(Database.open("db"))
        assert 0 < kept < needed
        for _ in range(20):
            if run("fetch", "panoramas", *DB, "--yes", "--retry-failed").code == 0:
                break
        assert len(Database.open("db")) == needed
        answers = twin.calls.billed_images
    assert spent() > needed
    assert answers <= spent() <= answers + twin.calls.faults["truncated"]


def spent() -> int:
    with Manifest.open(Database.open("db"), read_only=True) as manifest:
        return manifest.spend.this_month("street_view")


def test_a_dry_run_of_an_area_counts_what_is_known_and_asks_no_answered_point_again(run: Run, world: World) -> None:
    assert run("fetch", "metadata", *HERE, *DB, "--provider", "fake").code == 0
    world.calls.clear()
    area = [*HERE, *DB, "--provider", "fake"]
    for command in ("metadata", "panoramas"):
        plan = plan_of(run, command, *area)
        assert [plan[key] for key in ("metadata_calls", "answered", "known", "panoramas")] == [0, 3, 3, 3]
        assert (plan["is_upper_bound"], plan["height_calls"], plan["views"]) == (False, 1, 6)
    world.panoramas = street(5).panoramas
    plan = plan_of(run, "panoramas", *area)
    assert [plan[key] for key in ("metadata_calls", "answered", "known", "panoramas")] == [2, 3, 3, 5]
    assert (plan["is_upper_bound"], plan["height_calls"], plan["views"]) == (True, 2, 10)
    said = run("fetch", "metadata", *area, "--dry-run").out.splitlines()
    assert said[:2] == [
        "metadata: 2 calls, 3 answered before; 3 panoramas known",
        "at most 5 panoramas; to be fetched: at most 10 views",
    ]
    assert plan_of(run, "metadata", *area, "--refresh")["metadata_calls"] == 5
    assert world.calls == []
