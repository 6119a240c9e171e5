"""Filter, search, re-rank and group, over vectors made up so that the right answer is known; and the recall of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from geonav.config import load_config
from geonav.data.database import Database
from geonav.data.metadata import ImageMetadata
from geonav.data.places import Places
from geonav.errors import UsageError
from geonav.geometry.geodesy import GeoPoint, moved
from geonav.pipeline.hits import Asked, Retrieved
from geonav.pipeline.inliers import InlierCounter
from geonav.pipeline.query import QueryPhoto, read_query
from geonav.pipeline.recall import photo_recall, recall_summary
from geonav.pipeline.retrieval import Retriever
from geonav.pipeline.stages import PlaceSearch
from geonav.pipeline.vouching import Vouching
from geonav.retrieval.flat import FlatIndex
from geonav.vision.base import Matches
from tests.data.photos import exif, gps, jpeg, write_jpeg

LAT, LNG = 48.9, 8.4
STEP_M = 20.0
VIEWS = 4
DIM = 32
PHOTO = jpeg()


class Described:
    """A descriptor that says where the vector comes from; the tests bring their own."""

    name = "given"
    source = "pixels"

    def describe(self, _pixels: object) -> np.ndarray:
        return np.eye(1, DIM, dtype=np.float32)[0]


class Counts:
    """An inlier counter that knows the answers."""

    def __init__(self, answers: dict[str, int]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def match(self, uid: str, _features: object, _size: object) -> tuple[int, Matches]:
        self.asked.append(uid)
        return self.answers.get(uid, 0), Matches.none()


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Database:
    """Ten panoramas in a row to the east, four views each, the later half of another provider and a year on."""
    made = Database.create(tmp_path_factory.mktemp("row") / "db", GeoPoint(LAT, LNG))
    for place in range(10):
        lat, lng = (float(value) for value in moved(LAT, LNG, 90.0, place * STEP_M))
        for view in range(VIEWS):
            later = place >= 5
            metadata = ImageMetadata(
                w=64, h=48, K=None, lat=lat, lng=lng, azn=90.0 * view, provider="b" if later else "a",
                captured_at="2021-06" if later else "2020-06", pano_id=f"p{place}",
            )  # fmt: skip
            made.add_entry(f"p{place}v{view}", PHOTO, metadata)
    return made


def _vectors(database: Database) -> np.ndarray:
    """Similarity to the first axis falls from entry to entry; the rest is noise of one's own."""
    count = len(database)
    random = np.random.default_rng(0)
    first = np.linspace(0.9, 0.2, count)
    rest = random.normal(size=(count, DIM - 1))
    rest *= (np.sqrt(1 - first**2) / np.linalg.norm(rest, axis=1))[:, None]
    return np.concatenate([first[:, None], rest], axis=1).astype(np.float32)


@pytest.fixture(scope="module")
def index(database: Database) -> FlatIndex:
    found = FlatIndex(DIM, "stamp")
    found.add(database.uids(), _vectors(database))
    return found


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> QueryPhoto:
    return read_query(write_jpeg(tmp_path_factory.mktemp("photo") / "q.jpg"))


Ask = Callable[..., Retrieved]


@pytest.fixture
def ask(database: Database, index: FlatIndex, photo: QueryPhoto) -> Ask:
    """Ask with ``[search]`` settings; everything else is given by name."""

    def call(k: int, *, given: QueryPhoto = photo, exif_gps: bool = False, grouped: bool = False, **search: Any) -> Any:
        asked = {"rerank": "none", **search}
        config = load_config(overrides={"search": asked, "localize": {"exif_gps": exif_gps}})
        place = PlaceSearch(Described(), index, 0)  # type: ignore[arg-type]
        retriever = Retriever(database, config, place, lambda: pytest.fail("not asked for"), grouped=grouped)
        return retriever.retrieve(Asked(given, retriever.describe(given, None)), k)

    return call


def _uids(found: Retrieved) -> list[str]:
    return [hit.uid for hit in found.hits]


def test_neighbours_vouch_for_a_place_against_a_look_alike(database: Database, tmp_path: Path) -> None:
    """One view of p8 looks most like the photo; p2 does a little less, and so do its neighbours on both sides."""
    like = {"p8v0": 0.8, "p2v0": 0.77, "p1v0": 0.6, "p3v0": 0.6}
    photo = read_query(write_jpeg(tmp_path / "q.jpg", seed=5))
    rows = np.zeros((len(database), DIM), np.float32)
    for row, uid in enumerate(database.uids()):
        rows[row, 0] = like.get(uid, 0.1)
        rows[row, 1 + row % (DIM - 1)] = np.sqrt(1 - rows[row, 0] ** 2)
    index = FlatIndex(DIM, "stamp")
    index.add(database.uids(), rows)

    def first(**search: Any) -> list[str]:
        config = load_config(overrides={"search": search})
        place = PlaceSearch(Described(), index, 0)  # type: ignore[arg-type]
        retriever = Retriever(database, config, place, lambda: pytest.fail("not asked for"), grouped=False)
        return _uids(retriever.retrieve(Asked(photo, retriever.describe(photo, None)), 2))

    assert first(rerank="none")[0] == "p8v0"
    assert first()[0] == "p2v0"
    assert first(support=0.0)[0] == "p8v0"
    # Found or not: only the best two are ordered anew, and those around them are asked all the same.
    assert first(rerank_depth=2) == ["p2v0", "p8v0"]


def test_a_photo_among_the_references_does_not_vouch_for_its_neighbours(
    database: Database, index: FlatIndex, photo: QueryPhoto
) -> None:
    places = Places.of(database)
    found = [("p0v0", 1.0), ("p1v0", 0.3), ("p2v0", 0.2)]
    silent = Vouching(places, index, 0.5)
    plain = silent.scores(np.zeros(DIM, np.float32), found, allowed=set(), barred=[])
    barred = silent.scores(np.zeros(DIM, np.float32), found, allowed=set(), barred=["p0v0"])
    np.testing.assert_allclose(plain[1], 0.3 + 0.5 * np.exp(-2.0) * 1.2, rtol=1e-3)  # 20 m off on either side
    np.testing.assert_allclose(barred[1], 0.3 + 0.5 * np.exp(-2.0) * 0.2, rtol=1e-3)


def test_without_re_ranking_hits_are_the_indexs(ask: Ask, index: FlatIndex) -> None:
    found = ask(7)
    plain = index.search(np.eye(1, DIM, dtype=np.float32)[0], 7)
    assert [(hit.uid, hit.similarity) for hit in found.hits] == plain
    assert [hit.score for hit in found.hits] == [score for _, score in plain]
    assert (found.reason, found.notes) == (None, [])


def test_more_than_there_are_gives_all(ask: Ask, database: Database) -> None:
    assert len(ask(500).hits) == len(database)
    assert len(ask(500, grouped=True).hits) == 10


def test_grouped_hits_are_places_by_their_best_view(ask: Ask) -> None:
    assert _uids(ask(10, grouped=True)) == [f"p{place}v0" for place in range(10)]
    assert _uids(ask(3, group=True, group_within_m=STEP_M + 1)) == ["p0v0", "p2v0", "p4v0"]
    assert _uids(ask(3, grouped=True, group=False)) == ["p0v0", "p0v1", "p0v2"]


def test_filters_leave_the_order_alone(ask: Ask) -> None:
    assert _uids(ask(3, near=(LAT, LNG), within_m=STEP_M + 1, heading=(80, 100))) == ["p0v1", "p1v1"]
    assert _uids(ask(2, provider="b")) == ["p5v0", "p5v1"]
    assert _uids(ask(2, captured_after="2021", grouped=True)) == ["p5v0", "p6v0"]


def test_an_empty_filter_says_so_and_is_not_widened(ask: Ask) -> None:
    found = ask(3, near=(0, 0), within_m=50, provider="a")
    assert found.hits == []
    assert found.reason == (
        "none of the 40 references is within 50 m of 0.000000 0.000000, of provider a: widen the filter or leave it out"
    )


def _photo_at(folder: Path, lat: float, lng: float) -> QueryPhoto:
    return read_query(write_jpeg(folder / "here.jpg", tags=exif(gps=gps(lat, lng, 100, 0.0))))


def test_exif_gps_restricts_the_search_only_where_it_is_asked_for(ask: Ask, tmp_path: Path) -> None:
    lat, lng = (float(value) for value in moved(LAT, LNG, 90.0, 9 * STEP_M))
    here = _photo_at(tmp_path, lat, lng)
    assert _uids(ask(1, given=here)) == ["p0v0"]
    found = ask(40, given=here, exif_gps=True)
    # 50 m and three times the 10 m that a position without an error is good for: the last five places.
    assert {uid[:2] for uid in _uids(found)} == {"p5", "p6", "p7", "p8", "p9"}
    assert found.notes == ["only references within 80 m of the position in the photo's EXIF"]
    assert _uids(ask(40, given=here, exif_gps=True, provider="a")) == []


def test_exif_gps_without_a_position_says_so(ask: Ask) -> None:
    found = ask(1, exif_gps=True)
    assert _uids(found) == ["p0v0"]
    assert found.notes == ["the photo's EXIF has no position: references are not restricted to its surroundings"]


def test_several_looks_at_a_photo_are_searched_for_together(
    database: Database, index: FlatIndex, photo: QueryPhoto
) -> None:
    config = load_config(overrides={"search": {"query_augmentation": "majority_voting"}})
    place = PlaceSearch(Described(), index, 0)  # type: ignore[arg-type]
    retriever = Retriever(database, config, place, lambda: pytest.fail("not asked for"), grouped=False)
    first, second = index.vectors(["p3v1", "p7v2"])
    found = retriever.retrieve(Asked(photo, [first, second]), 2)
    assert {hit.uid for hit in found.hits} == {"p3v1", "p7v2"}
    with pytest.raises(UsageError, match="majority_voting needs a descriptor that looks at pixels"):
        retriever.describe(photo, None)


@pytest.mark.parametrize("rerank", ["gnn", "k-reciprocal", "qe", "dba"])
def test_re_rankers_order_by_what_a_query_and_its_neighbours_share(
    rerank: str, database: Database, photo: QueryPhoto
) -> None:
    """One view of a wrong place is nearest, its other views are far; all eight of the right place are near."""
    random = np.random.default_rng(4)
    axes = np.eye(DIM)
    stray = 0.86 * axes[:1] + 0.51 * axes[2:3]
    right = 0.8 * axes[0] + 0.6 * axes[1] + 0.02 * random.normal(size=(8, DIM))
    wrong = 0.5 * axes[0] + 0.87 * axes[2] + 0.02 * random.normal(size=(8, DIM))
    others = random.normal(size=(23, DIM))
    others[:, 0] = 0
    rows = np.concatenate([stray, right, wrong, others])
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    index = FlatIndex(DIM, "stamp")
    index.add(database.uids(), rows)
    query = np.eye(1, DIM, dtype=np.float32)[0]
    settings = {"rerank": rerank, "k1": 9, "k2": 5}
    config = load_config(overrides={"search": settings})
    place_search = PlaceSearch(Described(), index, 0)  # type: ignore[arg-type]
    retriever = Retriever(database, config, place_search, lambda: pytest.fail("not asked for"), grouped=False)
    hits = retriever.retrieve(Asked(photo, [query]), 9).hits
    plain = index.search(query, 9)
    assert plain[0][0] == database.uids()[0]
    assert {hit.uid for hit in hits[:8]} == set(database.uids()[1:9])
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    similarity = {hit.uid: hit.similarity for hit in hits}
    assert similarity[plain[1][0]] == pytest.approx(plain[1][1], abs=1e-6)


@pytest.mark.parametrize("rerank", ["gnn", "k-reciprocal", "qe", "dba"])
def test_only_the_best_are_re_ranked_and_the_rest_follow(rerank: str, ask: Ask) -> None:
    found = _uids(ask(40, rerank=rerank, rerank_depth=6, k1=4, k2=2))
    plain = _uids(ask(40))
    assert len(set(found)) == 40
    if rerank == "qe":  # asks the index anew
        assert found != plain
    else:
        assert set(found[:6]) == set(plain[:6])
        assert found[6:] == plain[6:]
    # As many places as there are, however deep that must look.
    assert len(ask(40, rerank=rerank, rerank_depth=6, grouped=True).hits) == 10


def test_neighbours_follow_the_views_of_a_place(database: Database, index: FlatIndex) -> None:
    place = PlaceSearch(Described(), index, 0)  # type: ignore[arg-type]

    def options(**search: Any) -> tuple[int, int]:
        config = load_config(overrides={"search": search})
        found = Retriever(database, config, place, lambda: pytest.fail("no"), grouped=False).options
        return found.k1, found.k2

    # Within 25 m and looking the same way: the place itself and one on either side; the query comes on top.
    assert options() == (4, 2)
    assert options(k1=9) == (9, 2)
    assert options(k1=9, k2=3) == (9, 3)


def test_inliers_order_the_best_hits_and_no_more(database: Database, index: FlatIndex, photo: QueryPhoto) -> None:
    counts = Counts({"p2v0": 90, "p1v0": 40, "p9v0": 500})
    config = load_config(overrides={"search": {"rerank": "inliers", "inlier_depth": 4, "support": 0.0}})
    place = PlaceSearch(Described(), index, 0)  # type: ignore[arg-type]
    counter: Callable[[], InlierCounter] = lambda: counts  # type: ignore[assignment,return-value] # noqa: E731
    retriever = Retriever(database, config, place, counter, grouped=True)
    asked = Asked(photo, retriever.describe(photo, None), features=object())  # type: ignore[arg-type]
    retrieved = retriever.retrieve(asked, 6)
    found = retrieved.hits
    assert set(retrieved.matches) == {"p0v0", "p1v0", "p2v0", "p3v0"}
    assert [hit.uid for hit in found] == ["p2v0", "p1v0", "p0v0", "p3v0", "p4v0", "p5v0"]
    assert [hit.num_inliers for hit in found] == [90, 40, 0, 0, None, None]
    assert counts.asked == ["p0v0", "p1v0", "p2v0", "p3v0"]


def test_the_photo_itself_is_no_hit_where_it_must_not_be(database: Database, index: FlatIndex, tmp_path: Path) -> None:
    (tmp_path / "same.jpg").write_bytes(PHOTO)
    same = read_query(tmp_path / "same.jpg")
    config = load_config()
    retriever = Retriever(
        database, config, PlaceSearch(Described(), index, 0), lambda: pytest.fail("no"), grouped=False  # type: ignore[arg-type]
    )  # fmt: skip
    asked = Asked(same, retriever.describe(same, None), leaves_out_itself=True)
    found = retriever.retrieve(asked, 2)
    assert (found.hits, len(found.excluded)) == ([], len(database))  # every entry is this very file
    assert found.reason is not None


@pytest.mark.parametrize(
    ("search", "words"),
    [
        ({"rerank": "gn"}, "unknown re-ranker 'gn': did you mean 'gnn'"),
        ({"captured_before": "2020-13"}, "'2020-13' is no date"),
        ({"near": (1, float("nan")), "within_m": 3}, r"search\.near"),
        ({"within_m": 3}, "within_m needs near"),
    ],
)
def test_settings_that_make_no_sense_are_refused(search: dict[str, Any], words: str, ask: Ask) -> None:
    with pytest.raises(UsageError, match=words):
        ask(3, **search)


def test_recall_counts_views_near_the_truth(database: Database) -> None:
    places = Places.of(database)
    here = GeoPoint(*(float(value) for value in moved(LAT, LNG, 90.0, 2 * STEP_M + 1)))
    found = photo_recall("q", (["p0v0", "p1v2", "p3v0"], None), here, places, 25.0)
    assert (found.first_hit, found.first_right, found.num_right_references) == ("p0v0", 2, 3 * VIEWS)
    assert found.first_hit_m == pytest.approx(2 * STEP_M + 1, abs=0.01)
    far = GeoPoint(LAT, LNG + 1)
    lost = photo_recall("far", (["p9v0"], None), far, places, 25.0)
    nothing = photo_recall("none", ([], "too dark"), here, places, 25.0)
    deep = photo_recall("deep", ([f"p9v{view}" for view in range(4)] + ["p2v0"], None), here, places, 25.0)
    summary = recall_summary([found, lost, nothing, deep], 25.0)
    assert summary["num_without_positive"] == 1
    assert [summary[f"recall_at_{rank}"] for rank in (1, 5, 10, 20)] == [0.0, 0.5, 0.5, 0.5]
    with_positive = [summary[f"recall_with_positive_at_{rank}"] for rank in (1, 5, 10, 20)]
    assert with_positive == [0.0, 0.6667, 0.6667, 0.6667]
    assert summary["median_first_hit_m"] == pytest.approx(7 * STEP_M - 1, abs=0.1)
    assert recall_summary([lost], 25.0)["recall_with_positive_at_1"] is None
    assert "recall_at_20" not in recall_summary([lost], 25.0, depth=12)
