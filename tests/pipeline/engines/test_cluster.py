"""Work on a real Ray cluster: all of it, once, whatever happens to the workers."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from pathlib import Path

import pytest
import torch

from geonav.config import GeonavConfig
from geonav.data.database import Database
from geonav.data.progress import ProgressEvent
from geonav.errors import DatabaseError, PartialError, StorageError
from geonav.pipeline.engines.base import in_order
from geonav.pipeline.engines.place import Place
from geonav.pipeline.engines.registry import engine_of
from geonav.pipeline.index import index_global, index_local
from geonav.pipeline.local_work import LocalWork
from geonav.pipeline.mapping.build import build_map
from tests.pipeline.engines.conftest import with_engine
from tests.pipeline.engines.test_command import descendants
from tests.pipeline.engines.works import Writing, pids
from tests.pipeline.mapping.painted import PaintedStreet, along_street, map_config, store
from tests.pipeline.test_index import add, settings

pytestmark = pytest.mark.slow  # a cluster takes half a minute to start

ITEMS = [f"item{number:02d}" for number in range(30)]


def files(folder: Path, *endings: str) -> dict[str, bytes]:
    """Content by path of the files that end so."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.name.endswith(endings) and path.is_file()
    }


def test_all_items_are_done_once_by_several_processes(by_ray: GeonavConfig, tmp_path: Path) -> None:
    with engine_of(by_ray) as engine:
        done = list(engine.run(Writing(tmp_path, seconds=0.02), ITEMS))
        again = list(engine.run(Writing(tmp_path / "again"), ITEMS[:5]))  # the same workers, other work
    assert sorted((each.item, each.result, each.failure) for each in done) == [(i, i.upper(), "") for i in ITEMS]
    assert len(list((tmp_path / "pids").iterdir())) == 2
    assert len(again) == 5
    assert [each.item for each in in_order(iter(done), ITEMS)] == ITEMS


def test_workers_killed_ten_times_lose_and_double_nothing(by_ray: GeonavConfig, tmp_path: Path) -> None:
    kills, seen = 0, []
    draw = random.Random(0)  # noqa: S311 - who is killed
    with engine_of(by_ray) as engine:
        for done in engine.run(Writing(tmp_path, seconds=0.1), ITEMS):
            seen.append((done.item, done.result))
            live = pids(tmp_path)
            if kills < 10 and live:
                os.kill(draw.choice(live), signal.SIGKILL)
                kills += 1
    assert kills == 10
    assert sorted(seen) == [(item, item.upper()) for item in ITEMS]
    assert files(tmp_path, *ITEMS) == {item: item.encode() for item in ITEMS}
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".geonav-tmp-")]


def test_an_item_that_ends_every_worker_is_given_up_and_named(cluster_address: str, tmp_path: Path) -> None:
    with engine_of(with_engine(cluster_address, tries=2)) as engine:
        done = {each.item: each for each in engine.run(Writing(tmp_path, deadly=frozenset({"item03"})), ITEMS[:8])}
    assert set(done) == set(ITEMS[:8])
    assert done.pop("item03").failure.startswith("given up, as 2 workers ended while they were at it")
    assert {each.result for each in done.values()} == {item.upper() for item in done}
    # Once among others, then twice alone.
    assert (tmp_path / "deaths").read_text().split() == ["item03"] * 3


def test_what_a_worker_raises_comes_up_as_it_is(by_ray: GeonavConfig, tmp_path: Path) -> None:
    with engine_of(by_ray) as engine, pytest.raises(StorageError, match="cannot write item05: no space") as caught:
        list(engine.run(Writing(tmp_path, full=frozenset({"item05"})), ITEMS))
    assert type(caught.value) is StorageError


def test_a_run_that_is_left_early_ends_what_was_at_work(by_ray: GeonavConfig, tmp_path: Path) -> None:
    with engine_of(by_ray) as engine:
        running = engine.run(Writing(tmp_path, seconds=0.2), ITEMS)
        next(running)
        running.close()
        later = list(engine.run(Writing(tmp_path / "later"), ITEMS[:4]))
    assert len(later) == 4
    assert len(files(tmp_path, *ITEMS)) < len(ITEMS)
    end = time.monotonic() + 20.0
    while pids(tmp_path) and time.monotonic() < end:
        time.sleep(0.1)
    assert not pids(tmp_path)


def test_a_worker_that_does_not_see_the_database_says_so(by_ray: GeonavConfig, tmp_path: Path) -> None:
    database = Database.create(tmp_path / "db")
    add(database, "p", 0)
    with Place.of(database, by_ray, writes=True) as place, engine_of(by_ray) as engine:
        shutil.move(tmp_path / "db", tmp_path / "elsewhere")
        with pytest.raises(DatabaseError, match=r"db is not there there; every machine of the cluster must see"):
            list(engine.run(LocalWork(place, {}), ["p"]))
        shutil.copytree(tmp_path / "elsewhere", tmp_path / "db")
        shutil.rmtree(tmp_path / "db/.geonav/tmp")  # a copy, as another machine may have one
        with pytest.raises(DatabaseError, match="db is another folder of that name there"):
            list(engine.run(LocalWork(place, {}), ["p"]))


def test_indexing_gives_the_bytes_of_the_local_engine(by_ray: GeonavConfig, tmp_path: Path) -> None:
    database = Database.create(tmp_path / "local")
    for number in range(8):
        add(database, f"p{number}", number)
    database.add_entry("broken", b"no picture", database.metadata("p0"))
    other = Database.open(shutil.copytree(tmp_path / "local", tmp_path / "ray"))
    config, events = settings(max_keypoints=100), []
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        first = index_global(database, config)
    finally:
        torch.set_num_threads(threads)
    second = index_global(other, config.model_copy(update={"engine": by_ray.engine}), events.append)
    assert (first.computed, second.computed, second.reused) == (8, 8, 0)
    assert first.failed == [(uid, why.replace(str(other.path), str(database.path))) for uid, why in second.failed]
    assert [uid for uid, _ in second.failed] == ["broken"]
    kinds = (".npy", ".npz", ".bin", "settings.json", "stamp.json")
    assert files(database.path, *kinds) == files(other.path, *kinds)
    told = [(event.done, event.total) for event in events if event.stage == "local"]
    assert told == [(number, 9) for number in range(1, 10)]
    assert {event.item for event in events if event.stage == "vlad"} == {f"p{number}" for number in range(8)}
    assert index_global(other, config).reused == 8
    assert not list((other.path / ".geonav/tmp").iterdir())


def test_a_map_matched_by_a_cluster_is_that_of_one_process(by_ray: GeonavConfig, tmp_path: Path) -> None:
    street = PaintedStreet()
    store(tmp_path / "local", street, along_street(street, 6))
    shutil.copytree(tmp_path / "local", tmp_path / "ray")
    config, events = map_config(), list[ProgressEvent]()
    here = build_map(Database.open(tmp_path / "local"), config)
    there = build_map(
        Database.open(tmp_path / "ray"),
        config.model_copy(update={"engine": by_ray.engine}),
        on_progress=events.append,
    )
    assert (there.num_pairs, there.num_links) == (here.num_pairs, here.num_links)
    assert here.num_links
    links = Path(".geonav/map/links")
    assert files(tmp_path / "local" / links, ".npz") == files(tmp_path / "ray" / links, ".npz")
    told = [event for event in events if event.stage == "match references"]
    assert sum(event.done == event.total for event in told) >= 1
    assert len({event.item for event in told}) == here.num_pairs


@pytest.mark.slow
@pytest.mark.parametrize(("limit", "at_opening"), [("_MOST_DEATHS", False), ("_MOST_FAILED_OPENINGS", True)])
def test_workers_that_end_again_and_again_stop_the_run(
    limit: str, at_opening: bool, cluster_address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"geonav.pipeline.engines.dispatch.{limit}", 3)
    work = Writing(tmp_path, deadly=frozenset(ITEMS), deadly_opening=at_opening)
    with (
        engine_of(with_engine(cluster_address, tries=1)) as engine,
        pytest.raises(PartialError, match="3 workers of the Ray cluster ended one after the other"),
    ):
        list(engine.run(work, ITEMS))


@pytest.mark.slow
def test_indexing_outlives_ten_killed_workers(cluster_address: str, tmp_path: Path) -> None:
    database = Database.create(tmp_path / "local")
    for number in range(24):
        add(database, f"p{number:02d}", number)
    other = Database.open(shutil.copytree(tmp_path / "local", tmp_path / "ray"))
    config, kills, told = settings(max_keypoints=100), [], []
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    index_local(database, config)
    torch.set_num_threads(threads)

    def kill(event: ProgressEvent) -> None:
        told.append(event.item)
        live = [pid for pid in worker_pids() if pid not in kills]
        if len(kills) < 10 and live:
            os.kill(live[-1], signal.SIGKILL)
            kills.append(live[-1])

    by_ray = config.model_copy(update={"engine": with_engine(cluster_address, chunk=1).engine})
    report = index_local(other, by_ray, kill)
    assert len(kills) == 10
    assert (report.computed, report.failed) == (24, [])
    assert sorted(told) == other.uids()
    assert files(database.path, ".npy", ".npz") == files(other.path, ".npy", ".npz")
    assert not list(other.path.rglob(".geonav-tmp-*"))
    assert index_local(other, config).reused == 24


def worker_pids() -> list[int]:
    """Processes of this test's own workers, as the system lists them."""
    found = []
    for pid in descendants(os.getpid()):
        try:
            if Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"ray::RayWorker"):
                found.append(pid)
        except OSError:
            continue
    return found
