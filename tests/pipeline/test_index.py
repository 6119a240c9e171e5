"""Index runs: complete, resumable, and never mixing results of different settings."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from geonav.config import GeonavConfig
from geonav.data.database import Database
from geonav.data.images import read_image
from geonav.data.metadata import ImageMetadata
from geonav.errors import DatabaseError, StorageError, UsageError
from geonav.pipeline import projection
from geonav.pipeline.index import index_global, index_local
from geonav.pipeline.stages import load_extractor, load_features, load_global, load_matcher
from geonav.vision.disk import DiskExtractor

WIDTH, HEIGHT = 160, 128
METADATA = ImageMetadata.model_validate(
    {"w": WIDTH, "h": HEIGHT, **dict.fromkeys(("lat", "lng", "alt", "azn", "fov", "K", "E"))}
)


def picture(seed: int) -> np.ndarray:
    """Coloured rectangles, different for each seed."""
    rng = np.random.default_rng(seed)
    pixels = np.full((HEIGHT, WIDTH, 3), 120, np.uint8)
    for _ in range(40):
        x, y, w, h = rng.integers(0, WIDTH), rng.integers(0, HEIGHT), *rng.integers(6, 40, 2)
        pixels[y : y + h, x : x + w] = rng.integers(0, 255, 3)
    return pixels


def jpeg(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


def add(database: Database, uid: str, seed: int) -> None:
    database.add_entry(uid, jpeg(picture(seed)), METADATA)


def settings(**local: Any) -> GeonavConfig:
    return GeonavConfig(device="cpu", local=local, retrieval={"num_clusters": 4})


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of four pictures, indexed with 100 keypoints each; tests work on copies."""
    path = tmp_path_factory.mktemp("index") / "db"
    database = Database.create(path)
    for number in range(4):
        add(database, f"p{number}", number)
    report = index_global(database, settings(max_keypoints=100))
    assert (report.computed, report.reused, report.failed) == (4, 0, [])
    return path


@pytest.fixture
def database(indexed: Path, tmp_path: Path) -> Database:
    return Database.open(shutil.copytree(indexed, tmp_path / "db"))


@pytest.fixture
def count_extractions(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """How many pictures the network has seen since."""
    real, seen = DiskExtractor.extract, []

    def counting(self: Any, images: Any, masks: Any = None) -> Any:
        seen.extend(images)
        return real(self, images, masks)

    monkeypatch.setattr(DiskExtractor, "extract", counting)
    return lambda: len(seen)


def vocabulary(database: Database) -> np.ndarray:
    with np.load(database.index_dir("vlad") / "learned.npz") as stored:
        return stored["words"]


def search(database: Database, config: GeonavConfig, uid: str) -> list[str]:
    pixels = read_image(database.image_path(uid)).pixels
    (features,) = load_extractor(database, config).extract([pixels])
    place = load_global(database, config)
    return [hit for hit, _ in place.index.search(place.descriptor.describe(features), 10)]


def test_every_entry_gets_the_documented_files(database: Database) -> None:
    for uid in database.uids():
        entry = database.path / uid
        keypoints = np.load(entry / "disk_keypoints.npy")
        assert keypoints.dtype == np.float32
        assert 20 < len(keypoints) <= 100
        with np.load(entry / "disk_descriptor.npz") as stored:
            assert stored["descriptors"].dtype == np.float16
            assert stored["descriptors"].shape == (len(keypoints), 128)
            assert stored["scores"].shape == (len(keypoints),)
        vector = np.load(entry / "vlad_descriptor.npy")
        assert (vector.dtype, vector.shape) == (np.float32, (4 * 128,))
        assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


def test_the_query_side_finds_and_matches_each_picture(database: Database) -> None:
    config = settings()
    for uid in database.uids():
        assert search(database, config, uid)[0] == uid
    stored = load_features(database, config).read("p1")
    found = load_matcher(config).match(stored, (WIDTH, HEIGHT), stored, (WIDTH, HEIGHT))
    assert (found.pairs[:, 0] == found.pairs[:, 1]).mean() > 0.9


def test_a_second_run_computes_nothing(database: Database, count_extractions: Callable[[], int]) -> None:
    before = {path: path.stat().st_mtime_ns for path in database.path.rglob("*.np*")}
    assert index_local(database, settings()).reused == 4
    report = index_global(database, settings())
    assert (report.computed, report.reused) == (0, 4)
    assert count_extractions() == 0
    assert {path: path.stat().st_mtime_ns for path in database.path.rglob("*.np*")} == before


def test_settings_that_nobody_gives_stay_as_the_database_was_made(database: Database) -> None:
    assert load_extractor(database, settings()).settings()["max_keypoints"] == 100
    assert index_local(database, settings()).computed == 0


def test_changed_settings_recompute_and_are_asked_for_by_name(database: Database) -> None:
    with pytest.raises(DatabaseError, match=r"max_keypoints 100, not 40.*index local"):
        load_extractor(database, settings(max_keypoints=40))
    report = index_local(database, settings(max_keypoints=40))
    assert (report.computed, report.reused) == (4, 0)
    assert len(load_features(database, settings()).read("p0")) <= 40
    with pytest.raises(DatabaseError, match=r"other settings.*index global"):
        load_global(database, settings())
    assert index_global(database, settings()).computed == 4
    assert search(database, settings(), "p2")[0] == "p2"


def test_another_vocabulary_size_describes_anew(database: Database) -> None:
    other = GeonavConfig(device="cpu", retrieval={"num_clusters": 3})
    with pytest.raises(DatabaseError, match="other settings"):
        load_global(database, other)
    assert index_global(database, other).computed == 4
    assert load_global(database, GeonavConfig(device="cpu")).descriptor.dim == 3 * 128


def test_added_entries_are_found_and_the_vocabulary_stays(
    database: Database, count_extractions: Callable[[], int]
) -> None:
    words = vocabulary(database)
    add(database, "new", 50)
    assert load_global(database, settings()).num_missing == 1
    report = index_global(database, settings())
    assert (report.computed, report.reused) == (1, 4)
    assert count_extractions() == 1
    np.testing.assert_array_equal(vocabulary(database), words)
    assert search(database, settings(), "new")[0] == "new"


def test_retrain_learns_the_vocabulary_anew(database: Database) -> None:
    words = vocabulary(database)
    add(database, "new", 50)
    report = index_global(database, settings(), retrain=True)
    assert report.computed == 5
    assert not np.array_equal(vocabulary(database), words)


def test_an_entry_deleted_behind_the_index_is_not_found(database: Database) -> None:
    shutil.rmtree(database.path / "p3")
    reopened = Database.open(database.path)
    assert "p3" not in search(reopened, settings(), "p0")
    assert index_global(reopened, settings()).reused == 3
    assert load_global(reopened, settings()).index.uids == ["p0", "p1", "p2"]


def test_another_picture_under_the_same_name_is_described_anew(
    database: Database, count_extractions: Callable[[], int]
) -> None:
    old = database.read_global("p1", "vlad")
    database.image_path("p1").write_bytes(jpeg(picture(77)))
    assert index_local(database, settings()).computed == 1
    assert index_global(database, settings()).computed == 1
    assert count_extractions() == 1
    assert not np.array_equal(database.read_global("p1", "vlad"), old)
    assert search(database, settings(), "p1")[0] == "p1"


def test_a_mask_that_comes_later_makes_features_stale(database: Database) -> None:
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[:, 80:] = 255
    Image.fromarray(mask).save(database.path / "p2" / "mask.png")
    with pytest.raises(DatabaseError):
        load_features(database, settings()).read("p2")
    assert index_local(database, settings()).computed == 1
    assert (load_features(database, settings()).read("p2").keypoints[:, 0] >= 80).all()
    assert index_global(database, settings()).computed == 1


def test_pictures_that_cannot_be_read_are_reported_and_the_rest_goes_on(database: Database) -> None:
    database.image_path("p0").write_bytes(b"no picture")
    add(database, "new", 51)
    for run in (index_local, index_global):
        report = run(database, settings())
        assert [uid for uid, _ in report.failed] == ["p0"]
    assert sorted(load_global(database, settings()).index.uids) == ["new", "p1", "p2", "p3"]


def test_a_run_interrupted_at_any_picture_goes_on(database: Database, count_extractions: Callable[[], int]) -> None:
    for number in range(3):
        add(database, f"q{number}", 60 + number)

    def interrupt(event: Any) -> None:
        if event.item == "q1":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        index_local(database, settings(), interrupt)
    reopened = Database.open(database.path)
    assert index_local(reopened, settings()).computed == 1
    assert count_extractions() == 3
    with pytest.raises(KeyboardInterrupt):
        index_global(reopened, settings(), interrupt)
    report = index_global(Database.open(database.path), settings())
    assert (report.computed, report.reused) == (1, 6)
    assert search(reopened, settings(), "q1")[0] == "q1"


def test_a_kill_in_the_middle_of_new_settings_mixes_nothing(database: Database) -> None:
    def interrupt(_: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        index_local(database, settings(max_keypoints=50), interrupt)
    features = load_features(database, settings())
    assert len(features.read("p0")) <= 50
    with pytest.raises(DatabaseError, match="other settings"):
        features.read("p1")
    assert index_local(database, settings()).computed == 3


@pytest.mark.parametrize(
    "name", ["rows-*.bin", "names-*.bin", "stamp.json", "learned.npz", "journal.jsonl", "settings.json"]
)
def test_broken_or_missing_index_files_are_made_again(database: Database, name: str) -> None:
    for keep in (0.0, 0.5):
        (path,) = database.index_dir("vlad").glob(name)
        whole = path.read_bytes()
        path.unlink()
        if keep:
            path.write_bytes(whole[: int(keep * len(whole))])
        index_global(database, settings())
        assert search(database, settings(), "p2")[0] == "p2"


def test_a_vector_broken_by_hand_is_made_again(database: Database) -> None:
    (database.path / "p1" / "vlad_descriptor.npy").write_bytes(b"broken")
    (database.index_dir("vlad") / "stamp.json").unlink()
    index_global(database, settings())
    assert search(database, settings(), "p1")[0] == "p1"


def test_progress_counts_every_picture(database: Database) -> None:
    add(database, "new", 52)
    events: list[Any] = []
    index_global(database, settings(), events.append)
    assert [(event.stage, event.done, event.total, event.item) for event in events] == [
        ("local", 1, 1, "new"),
        ("vlad", 1, 1, "new"),
    ]


def test_a_database_without_features_or_index_says_what_to_run(tmp_path: Path) -> None:
    database = Database.create(tmp_path / "db")
    with pytest.raises(DatabaseError, match="empty"):
        index_local(database, settings())
    add(database, "only", 1)
    for load in (load_extractor, load_features, load_global):
        with pytest.raises(DatabaseError, match="geonav index local"):
            load(database, settings())
    index_local(database, settings(max_keypoints=30))
    with pytest.raises(DatabaseError, match=r"is not indexed for vlad.*geonav index global"):
        load_global(database, settings())


def test_a_blank_picture_is_indexed_with_nothing(tmp_path: Path) -> None:
    database = Database.create(tmp_path / "db")
    database.add_entry("black", jpeg(np.zeros((HEIGHT, WIDTH, 3), np.uint8)), METADATA)
    assert index_local(database, settings()).computed == 1
    with pytest.raises(DatabaseError, match="no keypoints"):
        index_global(database, settings())
    add(database, "street", 3)
    assert index_global(database, settings()).computed == 2
    assert search(database, settings(), "street")[0] == "street"


def test_unknown_models_and_descriptors_are_refused(database: Database) -> None:
    with pytest.raises(UsageError, match="did you mean 'disk'"):
        index_local(database, settings(model="disc"))
    with pytest.raises(UsageError, match="vlad"):
        index_global(database, GeonavConfig(retrieval={"descriptor": "vald"}))


def test_a_full_disk_ends_the_run_and_loses_nothing(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    add(database, "new", 53)

    def full(*_: Any) -> None:
        message = "no space left"
        raise StorageError(message)

    monkeypatch.setattr(Database, "write_features", full)
    with pytest.raises(StorageError):
        index_local(database, settings())
    monkeypatch.undo()
    report = index_local(database, settings())
    assert (report.computed, report.reused) == (1, 4)


def indexing(**section: Any) -> GeonavConfig:
    return GeonavConfig(device="cpu", retrieval=section)


def test_another_index_is_made_of_the_same_vectors(database: Database, count_extractions: Callable[[], int]) -> None:
    report = index_global(database, indexing(index="hnsw"))
    assert (report.computed, report.reused) == (0, 4)
    assert report.index is not None
    assert (report.index.kind, report.index.count, report.index.dim) == ("hnsw", 4, 512)
    assert load_global(database, settings()).index.kind == "hnsw"
    with pytest.raises(DatabaseError, match=r"made as hnsw, not as flat.*index global"):
        load_global(database, indexing(index="flat"))
    assert index_global(database, settings()).index.kind == "hnsw"  # stays until another is asked for
    assert index_global(database, indexing(index="auto")).index.kind == "flat"
    assert count_extractions() == 0
    with pytest.raises(UsageError, match="did you mean 'hnsw'"):
        index_global(database, indexing(index="hnws"))


def test_pca_shortens_queries_and_index_alike_and_is_kept_when_photos_come(database: Database) -> None:
    report = index_global(database, indexing(pca=3, whitening=0.5))
    assert (report.computed, report.reused) == (0, 4)
    place = load_global(database, settings())
    assert place.descriptor.dim == 3
    assert place.descriptor.settings()["pca"] == 3
    for uid in database.uids():
        assert search(database, settings(), uid)[0] == uid
    learned = (database.index_dir("vlad") / "pca.npz").read_bytes()
    add(database, "new", 54)
    assert index_global(database, settings()).computed == 1
    assert search(database, settings(), "new")[0] == "new"
    assert (database.index_dir("vlad") / "pca.npz").read_bytes() == learned
    with pytest.raises(DatabaseError, match="other settings"):
        load_global(database, indexing(pca=2))
    with pytest.raises(DatabaseError, match="other settings"):
        load_global(database, indexing(whitening=1.0))
    index_global(database, settings(), retrain=True)
    assert (database.index_dir("vlad") / "pca.npz").read_bytes() != learned
    assert search(database, settings(), "p2")[0] == "p2"


def test_a_pca_is_given_up_again(database: Database) -> None:
    index_global(database, indexing(pca=512))
    assert load_global(database, settings()).descriptor.dim == 3  # four photos vary along three axes
    assert index_global(database, indexing(pca=0)).computed == 0
    assert load_global(database, settings()).descriptor.dim == 512
    assert search(database, settings(), "p2")[0] == "p2"


def test_vectors_are_shortened_once_there_are_photos_enough(
    database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(projection, "_LEAST_PHOTOS", 6)
    own = load_global(database, settings(max_keypoints=100)).descriptor.dim
    assert own == 4 * 128
    for number in range(4, 7):
        add(database, f"p{number}", number)
    index_global(database, settings(max_keypoints=100))
    place = load_global(database, settings(max_keypoints=100))
    assert place.descriptor.dim == place.index.dim == 6  # of seven photos
    for number in range(7, 17):
        add(database, f"p{number}", number)
    with caplog.at_level("WARNING"):
        index_global(database, settings(max_keypoints=100))
    assert "learned from 4 photos and there are 17 now" in caplog.text
    place = load_global(database, settings(max_keypoints=100))
    assert place.index.dim == 6
    features = load_features(database, settings()).read("p9")
    assert place.index.search(place.descriptor.describe(features), 1)[0][0] == "p9"
    index_global(database, settings(max_keypoints=100), retrain=True)
    assert load_global(database, settings(max_keypoints=100)).index.dim == 16


def test_large_databases_pack_their_features_and_both_forms_agree(indexed: Path, tmp_path: Path) -> None:
    shutil.copytree(indexed, tmp_path / "db")
    database = Database.open(tmp_path / "db")
    packed = database.packed_dir("disk")
    index_local(database, settings(packed_from=5))
    assert not packed.exists()
    index_local(database, settings(packed_from=4))
    assert packed.exists()
    alone = {uid: load_features(database, settings()).read(uid) for uid in database.uids()}
    shutil.rmtree(packed)
    own = load_features(Database.open(tmp_path / "db"), settings())
    for uid, found in alone.items():
        expected = own.read(uid)
        np.testing.assert_array_equal(found.keypoints, expected.keypoints)
        np.testing.assert_array_equal(found.descriptors, expected.descriptors)
        np.testing.assert_array_equal(found.scores, expected.scores)


def test_packed_features_follow_new_settings(indexed: Path, tmp_path: Path) -> None:
    shutil.copytree(indexed, tmp_path / "db")
    database = Database.open(tmp_path / "db")
    index_local(database, settings(packed_from=1))
    index_local(database, settings(packed_from=1, max_keypoints=40))
    stored = load_features(database, settings(max_keypoints=40))
    assert [len(stored.read(uid)) for uid in database.uids()] == [40] * 4
    assert len(stored._packed) == 4
