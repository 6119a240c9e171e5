"""Fetching over the twin: every provider, every kind of fault at 30 %, and nothing lost, doubled or half-written."""

from __future__ import annotations

from pathlib import Path

import pytest

from geonav.config import GeonavConfig
from geonav.data.database import Database
from geonav.data.files import is_temporary
from geonav.errors import AuthError
from geonav.pipeline.check import check_database
from geonav.pipeline.fetching import FetchOptions, fetch_elevation, fetch_metadata, fetch_panoramas
from geonav.pipeline.sampling import SampleRequest, Sampling, sample
from geonav.providers.demo.twin import FaultKind, Faults, Twin
from tests.providers.twin.stand_in import StandInCity

NUM_VIEWS = 4 * 2
QUICK = (FaultKind.SERVER_ERROR, FaultKind.WRONG_LENGTH, FaultKind.GREY)
KINDS = [
    pytest.param(kind, marks=() if kind in QUICK else pytest.mark.slow)
    for kind in FaultKind
    if kind is not FaultKind.REQUEST_DENIED
]


def config_for(twin: Twin, cache: Path, provider: str = "demo") -> GeonavConfig:
    settings = twin.settings()
    quick = {"size_px": 64, "n_directions": 2, "backoff_s": 0.001, "timeout_s": 3.0, "attempts": 6}
    settings["fetch"] = {**quick, "provider": provider}
    return GeonavConfig.model_validate({**settings, "cache_dir": cache, "sampling": {"spacing_m": 25.0}})


def fetch_all(path: Path, sampling: Sampling, config: GeonavConfig, options: FetchOptions) -> list[tuple[str, str]]:
    """What failed."""
    reports = [fetch_metadata(path, sampling, config, options=options)]
    database = Database.open(path)
    reports.append(fetch_elevation(database, config, options=options))
    reports.append(fetch_panoramas(database, config, options=options))
    return [failure for report in reports for failure in report.failed]


def pictures(path: Path) -> dict[str, bytes]:
    files = [file for file in path.rglob("*") if file.is_file()]
    assert not [file for file in files if is_temporary(file.name)]
    return {str(file.relative_to(path)): file.read_bytes() for file in files if file.suffix == ".jpg"}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("undisturbed")
    with Twin(StandInCity()) as twin:
        config = config_for(twin, folder / "cache")
        sampling = sample(SampleRequest(place="Standdorf"), config)
        assert fetch_all(folder / "db", sampling, config, FetchOptions()) == []
        assert twin.calls.billed_images == NUM_VIEWS
        assert max(twin.calls.paid.values()) == 1
    return pictures(folder / "db")


@pytest.mark.parametrize("provider", ["google", "mapillary", "panoramax"])
def test_every_provider_fills_a_database(tmp_path: Path, provider: str):
    with Twin(StandInCity(), panorama_width=256) as twin:
        config = config_for(twin, tmp_path / "cache", provider)
        sampling = sample(SampleRequest(place="Standdorf"), config)
        assert fetch_all(tmp_path / "db", sampling, config, FetchOptions()) == []
    assert len(pictures(tmp_path / "db")) == NUM_VIEWS
    assert check_database(Database.open(tmp_path / "db")).findings == []


@pytest.mark.parametrize("kind", KINDS)
def test_faults_change_nothing_in_the_end(tmp_path: Path, undisturbed: dict[str, bytes], kind: FaultKind):
    assert len(undisturbed) == NUM_VIEWS
    faults = Faults({kind: 0.3}, seed=5, slow_s=0.01, only="^(/redirected)?/maps/")
    with Twin(StandInCity(), faults) as twin:
        config = config_for(twin, tmp_path / "cache")
        sampling = sample(SampleRequest(place="Standdorf"), config)
        failed = fetch_all(tmp_path / "db", sampling, config, FetchOptions())
        assert all(reason for _, reason in failed)
        if failed:
            assert fetch_all(tmp_path / "db", sampling, config, FetchOptions(retry_failed=True)) == []
        assert twin.calls.faults[kind] >= 1
    assert pictures(tmp_path / "db") == undisturbed
    assert check_database(Database.open(tmp_path / "db")).findings == []


def test_a_refused_key_stops_at_once_and_keeps_what_there_is(tmp_path: Path, undisturbed: dict[str, bytes]):
    faults = Faults({FaultKind.REQUEST_DENIED: 0.5}, only="streetview$")
    with Twin(StandInCity(), faults) as twin:
        config = config_for(twin, tmp_path / "cache").model_copy()
        sampling = sample(SampleRequest(place="Standdorf"), config)
        with pytest.raises(AuthError):
            fetch_all(tmp_path / "db", sampling, config, FetchOptions())
        assert twin.calls.faults.total() <= config.fetch.workers
    kept = pictures(tmp_path / "db")
    assert kept.items() <= undisturbed.items()
    with Twin(StandInCity()) as twin:
        config = config_for(twin, tmp_path / "cache")
        assert fetch_all(tmp_path / "db", sampling, config, FetchOptions()) == []
        assert twin.calls.billed_images == NUM_VIEWS - len(kept)
    assert pictures(tmp_path / "db") == undisturbed
