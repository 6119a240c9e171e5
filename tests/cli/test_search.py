"""``geonav search`` and ``geonav evaluate --retrieval-only`` on the street, from options to files."""

from __future__ import annotations

import html
import json
import shutil
from pathlib import Path

import pytest

import geonav
from geonav.data.database import Database
from geonav.geometry.geodesy import GeoPoint
from geonav.pipeline.importing import ColmapImport, import_colmap
from tests.cli.conftest import Run
from tests.conftest import StreetPhotos

# Small pictures, few keypoints, a small vocabulary: it is the way that is tested, not the accuracy.
SMALL = {"local": {"max_keypoints": 256, "max_side_px": 256}, "global": {"num_clusters": 8}}


@pytest.fixture(scope="module")
def street(street_database_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("searched") / "street"
    shutil.copytree(street_database_path, path)
    geonav.index_global(Database.open(path), geonav.load_config(overrides=SMALL))
    return path


@pytest.fixture(scope="module")
def queries(street_photos: StreetPhotos, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A query set: one reference's file under another name, with its pose."""
    path = tmp_path_factory.mktemp("queries") / "set"
    options = ColmapImport(
        images=street_photos.root / "images", origin=GeoPoint(*street_photos.origin), include=("r0003*", "r0004*")
    )
    import_colmap(path, street_photos.root / "colmap", options)
    return path


def test_hits_are_places_and_say_where_they_are(street: Path, street_photos: StreetPhotos, run: Run) -> None:
    ended = run("search", street_photos.queries[0], "--database", street, "--top_k", "2", "--json")
    assert (ended.code, ended.err) == (0, "")
    found = json.loads(ended.out)
    assert len(found["hits"]) == 2
    assert found["reason"] is None
    first, second = found["hits"]
    assert first["score"] >= second["score"]
    assert abs(first["lat"] - street_photos.origin[0]) < 0.001
    assert (first["distance_m"], found["position_source"]) == (None, None)


def test_python_and_the_command_agree(street: Path, street_photos: StreetPhotos, run: Run) -> None:
    photo = street_photos.queries[1]
    config = geonav.load_config(overrides={"search": {"rerank": "gnn"}})
    result = geonav.search(photo, street, config, k=3)
    ended = run("search", photo, "-d", street, "--top-k", "3", "--rerank", "gnn", "--json")
    assert [hit["uid"] for hit in json.loads(ended.out)["hits"]] == [hit.uid for hit in result.hits]


def test_the_page_shows_query_and_hits_and_escapes_names(
    street: Path, street_photos: StreetPhotos, run: Run, tmp_path: Path
) -> None:
    photo = tmp_path / "<b>&.jpg"
    shutil.copy(street_photos.queries[0], photo)
    ended = run(
        "search", photo, "-d", street, "--html", "hits.html", "--geojson", "hits.geojson", "--rerank", "inliers"
    )
    assert (ended.code, ended.err) == (0, "")
    page = Path("hits.html").read_text("utf-8")
    collection = json.loads(Path("hits.geojson").read_text())
    assert html.escape(str(photo)) in page
    assert "<b>" not in page
    assert page.count("data:image/jpeg;base64,") == 1 + len(collection["features"])
    assert "src='http" not in page
    first = collection["features"][0]
    assert first["properties"]["rank"] == 1
    assert first["properties"]["num_inliers"] >= collection["features"][-1]["properties"]["num_inliers"]
    assert first["geometry"]["coordinates"] == [first["properties"]["lng"], first["properties"]["lat"]]


def test_a_table_names_photo_and_reference_and_says_what_is_missing(
    street: Path, street_photos: StreetPhotos, run: Run
) -> None:
    ended = run("search", street_photos.queries[0], "-d", street, "--top-k", "100")
    assert ended.code == 0
    assert ended.out.splitlines()[2].split()[:2] == ["q0000.jpg", "1"]
    assert "of the 100 hits asked for: no more references may be found" in ended.out


def test_a_reference_is_not_its_own_hit(street: Path, street_photos: StreetPhotos, run: Run) -> None:
    ended = run("search", street_photos.root / "images" / "r0003.jpg", "-d", street, "--json", "--no-group")
    found = json.loads(ended.out)
    assert "r0003" not in [hit["uid"] for hit in found["hits"]]
    assert "the photo is itself the reference r0003, which was left out" in found["notes"]


def test_what_finds_nothing_says_why_and_ends_with_7(street: Path, street_photos: StreetPhotos, run: Run) -> None:
    photo = street_photos.queries[0]
    ended = run("search", photo, "-d", street, "--provider", "google")
    assert ended.code == 7
    assert "none of the 8 references is of provider google: widen the filter or leave it out" in ended.out
    both = run("search", photo, "absent.jpg", "-d", street, "--json")
    assert both.code == 6
    assert json.loads(both.out.splitlines()[1])["hits"] == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--rerank", "gn"], "did you mean 'gnn'"),
        (["--within", "5"], "within_m needs near"),
        (["--near", "48.9", "nan", "--within", "5"], "search.near"),
        (["--captured-after", "soon"], "'soon' is no date"),
        (["--top-k", "0"], "localize.top_k"),
        (["--json", "--geojson", "-"], "both write to stdout"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_options_are_one_line(
    options: list[str], words: str, street: Path, street_photos: StreetPhotos, run: Run
) -> None:
    ended = run("search", street_photos.queries[0], "-d", street, *options)
    assert (ended.code, ended.out) == (2, "")
    assert words in ended.err
    assert ended.err.count("\n") == 1


def test_a_page_without_a_folder_is_refused_before_anything_is_loaded(run: Run) -> None:
    ended = run("search", "a.jpg", "--html", "absent/hits.html")
    assert (ended.code, ended.err) == (
        3,
        "error: there is no folder absent for --html absent/hits.html: make it first\n",
    )


def test_filters_reach_localize(street: Path, street_photos: StreetPhotos, run: Run) -> None:
    photo = street_photos.queries[0]
    ended = run("localize", photo, "-d", street, "--near", "0", "0", "--within", "10", "--json")
    assert ended.code == 7
    result = json.loads(ended.out)
    assert result["status"] == "not_located"
    assert result["reason"].startswith("none of the 8 references is within 10 m of 0.000000 0.000000")
    assert result["settings"]["search"] == {"near": [0.0, 0.0], "within_m": 10.0}


def test_retrieval_alone_is_evaluated_without_matching(street: Path, queries: Path, run: Run) -> None:
    arguments = ["evaluate", "--query-set", queries, "--reference-set", street, "--retrieval-only", "--output", "out"]
    ended = run(*arguments, "--recall-within", "6")
    assert (ended.code, ended.err) == (0, "")
    assert "recall_at_1: " in ended.out
    summary = json.loads(Path("out/summary.json").read_text())
    photos = json.loads(Path("out/retrieval.json").read_text())
    assert (summary["name"], summary["num_retrieval_queries"], summary["recall_within_m"]) == ("set", 2, 6.0)
    assert summary["recall_at_20"] == 1.0  # the other view from the same place, if nothing else
    assert summary["recall_at_1"] == sum(photo["first_right"] == 1 for photo in photos) / 2
    # The query's own file is among the references and is no hit.
    assert all(photo["first_hit"] != photo["query"] for photo in photos)
    assert Path("out/hits.html").read_text().count("<section>") == 2


def test_a_query_set_needs_positions_only(street: Path, queries: Path, run: Run, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(queries, bare)
    for file in bare.glob("*/metadata.json"):
        fields = json.loads(file.read_text())
        file.write_text(json.dumps({key: fields[key] for key in ("w", "h", "lat", "lng")} | {"K": None}))
    ended = run("evaluate", "--query-set", bare, "--reference-set", street, "--retrieval-only", "--json")
    assert ended.code == 0
    assert json.loads(ended.out)["summary"]["num_retrieval_queries"] == 2
    for file in bare.glob("*/metadata.json"):
        file.write_text(json.dumps({"w": 640, "h": 480, "K": None}))
    ended = run("evaluate", "--query-set", bare, "--reference-set", street, "--retrieval-only")
    assert ended.code == 3
    assert "no photos with positions" in ended.err


def test_locating_a_query_set_counts_recall_too(street: Path, queries: Path, run: Run) -> None:
    arguments = [
        "evaluate",
        "--query-set",
        queries,
        "--reference-set",
        street,
        "--output",
        "out",
        "--rerank",
        "inliers",
    ]
    ended = run(*arguments, "--json")
    report = json.loads(ended.out)
    summary = json.loads(Path("out/summary.json").read_text())
    assert (summary["num_queries"], summary["num_retrieval_queries"], summary["num_without_positive"]) == (2, 2, 0)
    assert summary["recall_at_20"] == 1.0
    assert [photo["name"] for photo in report["photos"]] == ["r0003", "r0004"]
    assert all(photo["first_hit"] not in {None, photo["name"]} for photo in report["photos"])
    assert all(photo["first_right"] is not None for photo in report["photos"])
    assert Path("out/report.html").stat().st_size > 10_000
