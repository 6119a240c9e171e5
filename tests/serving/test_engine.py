"""The queue before the networks: its bound, its batches, its time limit, and those who leave."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from geonav.config import GeonavConfig
from geonav.data.database import Database
from geonav.data.images import PictureBytes
from geonav.errors import ConfigError, DatabaseError
from geonav.pipeline.localize import Localizer
from geonav.serving.engine import Engine
from geonav.serving.jobs import Job
from geonav.serving.refusals import RefusedError
from tests.conftest import StreetPhotos

FAR = {"near": (1.0, 2.0), "within_m": 50.0}


@pytest.fixture(scope="module")
def localizer(small_database: Path, small_config: GeonavConfig) -> Localizer:
    local = small_config.local.model_copy(update={"batch_size": 3})
    return Localizer(Database.open(small_database), small_config.model_copy(update={"local": local}))


class Loaded:
    """References that are there already, and change when a test says so."""

    def __init__(self, localizer: Localizer) -> None:
        self.localizer = localizer
        self.is_changed = False
        self.loads = 0
        self.problem: Exception | None = None

    def load(self) -> Localizer:
        self.loads += 1
        self.is_changed = False
        if self.problem is not None:
            raise self.problem
        return self.localizer

    def has_changed(self) -> bool:
        return self.is_changed


@pytest.fixture
def source(localizer: Localizer) -> Loaded:
    return Loaded(localizer)


@pytest.fixture
def engine(source: Loaded) -> Iterator[Engine]:
    made = Engine(source, 3)
    yield made
    made.stop(60)


def job(content: bytes, seconds: float = 300, **further: object) -> Job:
    return Job(PictureBytes(content, "a.jpg"), time.monotonic() + seconds, search=dict(FAR), **further)  # type: ignore[arg-type]


def test_waiting_photos_are_computed_together_and_are_what_each_is_alone(
    engine: Engine, localizer: Localizer, street_photos: StreetPhotos, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    prepare = localizer.prepare
    monkeypatch.setattr(localizer, "prepare", lambda photos: sizes.append(len(photos)) or prepare(photos))
    jobs = [job(path.read_bytes()) for path in street_photos.queries[:2]]
    broken = job(street_photos.queries[0].read_bytes()[:5000])
    heard: list[int] = []
    engine.on_batch = heard.append
    for each in (jobs[0], broken, jobs[1]):
        engine.submit(each)
    with pytest.raises(RefusedError, match="3 photos are waiting") as full:
        engine.submit(job(b""))
    assert full.value.status == 429
    assert full.value.retry_after_s is not None
    assert full.value.retry_after_s >= 1
    engine.start()
    assert [each.answer.result(240).result.status for each in jobs] == ["not_located"] * 2
    with pytest.raises(RefusedError, match="cannot be decoded") as refused:
        broken.answer.result(240)
    assert refused.value.status == 400
    assert (sizes, heard) == ([2], [3])
    assert all(each.photo is None for each in jobs), "uploads are let go of"


def test_who_leaves_makes_room_and_is_not_worked_for(engine: Engine, localizer: Localizer, query: bytes) -> None:
    left, stays = [job(query) for _ in range(3)], job(query)
    for each in left:
        engine.submit(each)
    for each in left:
        engine.drop(each)
    engine.submit(stays)
    assert engine.num_waiting == 1
    engine.start()
    assert stays.answer.result(240).size == (480, 640)
    assert all(each.answer.cancelled() and each.photo is not None for each in left)


def test_one_whose_time_is_up_is_told(engine: Engine, query: bytes) -> None:
    late = job(query, seconds=-1)
    engine.submit(late)
    engine.start()
    with pytest.raises(RefusedError, match="longer than the server allows"):
        late.answer.result(60)


def test_a_photo_waits_a_little_for_others(source: Loaded) -> None:
    waits, impatient = Engine(source, 3, max_wait_s=30.0), Engine(source, 3)
    sizes: list[int] = []
    for engine, expected in ((waits, [3]), (impatient, [1, 1, 1])):
        sizes.clear()
        engine.on_batch = sizes.append
        engine.start()
        jobs = [job(b"no picture") for _ in range(3)]
        for each in jobs:
            engine.submit(each)
            if engine is impatient:
                with pytest.raises(RefusedError):
                    each.answer.result(60)
        for each in jobs:
            with pytest.raises(RefusedError, match="not a picture"):
                each.answer.result(20)  # sooner than it would have waited for a fourth
        assert sizes == expected
        engine.stop(60)


def test_a_database_that_changed_is_read_anew_and_a_broken_one_is_not_taken(
    engine: Engine, source: Loaded, localizer: Localizer
) -> None:
    def ask() -> None:
        asked = job(b"no picture")
        engine.submit(asked)
        with pytest.raises(RefusedError, match="not a picture"):
            asked.answer.result(60)

    engine.start()
    ask()
    assert source.loads == 1
    source.is_changed = True
    ask()
    ask()
    assert source.loads == 2
    source.problem = DatabaseError("broken")
    engine.reload()  # even where nobody asks
    until = time.monotonic() + 60
    while source.loads < 3 and time.monotonic() < until:
        time.sleep(0.01)
    ask()
    assert (source.loads, engine.localizer, engine.failure) == (3, localizer, None)


def test_a_search_stops_before_its_next_match(localizer: Localizer, query: bytes) -> None:
    calls = 0

    def check() -> None:
        nonlocal calls
        calls += 1
        if calls == 4:  # at the start, after features, after retrieval: the first match
            raise TimeoutError

    photo = localizer.prepare([localizer.read(PictureBytes(query, "a.jpg"))])[0]
    heard: list[object] = []
    with pytest.raises(TimeoutError):
        localizer.locate(photo, check=check, on_retrieved=heard.append, on_matched=lambda _: pytest.fail("matched"))
    assert len(heard) == 1


def test_stopping_tells_those_who_wait(engine: Engine, query: bytes) -> None:
    waiting = job(query)
    engine.submit(waiting)
    engine.stop(0)
    with pytest.raises(RefusedError) as told:
        waiting.answer.result(1)
    assert told.value.status == 503


def test_a_localizer_asked_otherwise_shares_what_is_loaded(localizer: Localizer) -> None:
    other = localizer.with_settings(FAR, 4)
    assert other.place is localizer.place
    assert other.places is localizer.places
    assert (other.config.localize.top_k, localizer.config.localize.top_k) == (4, 10)
    assert localizer.config.search.near is None
    with pytest.raises(ConfigError, match="within_m"):
        localizer.with_settings({"near": (1.0, 2.0)})
