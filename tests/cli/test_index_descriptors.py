"""``geonav index global --descriptor-type ...``: networks of every kind, from a file to an index that is asked."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from geonav.config import GeonavConfig
from geonav.data.database import Database
from geonav.data.images import read_image
from geonav.data.metadata import ImageMetadata
from geonav.pipeline.index import index_local
from geonav.pipeline.stages import load_global
from tests.cli.conftest import Run
from tests.vision.descriptors import checkpoints
from tests.vision.descriptors.test_exported import DIM, onnx_file, script_file

WIDTH, HEIGHT = 128, 96
METADATA = ImageMetadata.model_validate(
    {"w": WIDTH, "h": HEIGHT, **dict.fromkeys(("lat", "lng", "alt", "azn", "fov", "K", "E"))}
)
SMALL = ("--device", "cpu")


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of three pictures with local features; tests work on copies."""
    database = Database.create(tmp_path_factory.mktemp("descriptors") / "db")
    for seed in range(3):
        buffer = io.BytesIO()
        Image.fromarray(checkpoints.picture(seed, HEIGHT, WIDTH)).save(buffer, "JPEG", quality=92)
        database.add_entry(f"p{seed}", buffer.getvalue(), METADATA)
    index_local(database, GeonavConfig(device="cpu", local={"max_keypoints": 50}))
    return database.path


@pytest.fixture
def path(described: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(described, tmp_path / "db"))


FAMILIES: dict[str, tuple[Callable[[Path], Path], tuple[str, ...], int]] = {
    "dvgl": (
        lambda path: checkpoints.dvgl(path, fc=7),
        ("--backbone", "resnet18conv4", "--aggregation", "gem", "--image-size", "128"),
        7,
    ),
    "radenovic_gldv1": (
        lambda path: checkpoints.radenovic(path, architecture="resnet18"),
        ("--backbone", "resnet18", "--multi-scale"),
        8 * checkpoints.WIDTH,
    ),
    "onnx": (onnx_file, (), DIM),
    "torchscript": (script_file, (), DIM),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_network_indexes_a_database_and_is_found_again(family: str, path: Path, tmp_path: Path, run: Run) -> None:
    write, options, dim = FAMILIES[family]
    weights = write(tmp_path / "my net.bin")
    named = family in {"onnx", "torchscript"}
    descriptor = f"{family}:{weights}" if named else family
    given = () if named else ("--checkpoint", weights)
    ended = run("index", "global", "-d", path, "--descriptor-type", descriptor, *given, *options, *SMALL, "--json")
    assert ended.code == 0, ended.err
    assert json.loads(ended.out)["computed"] == 3
    stem = f"{family}-my-net" if named else family
    database = Database.open(path)
    assert (database.entry_path("p0") / f"{stem}_descriptor.npy").is_file()

    # A later command gives the descriptor's name alone: the rest is the database's.
    place = load_global(database, GeonavConfig(device="cpu", retrieval={"descriptor": descriptor}))
    assert place.descriptor.dim == dim
    for uid in ("p0", "p1", "p2"):
        vector = place.descriptor.describe(read_image(database.image_path(uid)).pixels)
        best, score = place.index.search(vector, 3)[0]
        assert (best, round(score, 4)) == (uid, 1.0)

    again = run("index", "global", "-d", path, "--descriptor-type", descriptor, *SMALL, "--json")
    assert json.loads(again.out)["reused"] == 3, again.err


@pytest.mark.slow
def test_the_documented_command_line(path: Path, tmp_path: Path, run_process: Run) -> None:
    best = checkpoints.dvgl(tmp_path / "best_model.pth")
    command = ["index", "global", "--database", path, "--descriptor-type", "dvgl", "--backbone", "resnet18conv4"]
    ended = run_process(*command, "--aggregation", "gem", "--checkpoint", best, "--image-size", "96", *SMALL)
    assert ended.code == 0, ended.err
    vector = np.load(Database.open(path).entry_path("p1") / "dvgl_descriptor.npy")
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


def test_the_same_weights_elsewhere_change_nothing_and_others_do(path: Path, tmp_path: Path, run: Run) -> None:
    first = checkpoints.dvgl(tmp_path / "a.pth")
    moved, other = (
        Path(shutil.copy(first, tmp_path / "b.pth")),
        checkpoints.dvgl(tmp_path / "c.pth", aggregation="netvlad"),
    )

    def counts(weights: Path) -> tuple[int, int]:
        ended = run(
            "index", "global", "-d", path, "--descriptor-type", "dvgl", "--checkpoint", weights, *SMALL, "--json"
        )
        found = json.loads(ended.out)
        return found["computed"], found["reused"]

    assert counts(first) == (3, 0)
    assert counts(moved) == (0, 3)
    # how the other pools is not what is recorded, so it has to be said
    ended = run("index", "global", "-d", path, "--descriptor-type", "dvgl", "--checkpoint", other, *SMALL)
    assert ended.code == 3
    assert "keys missing, first aggregation" in ended.err


def test_mistakes_end_in_one_line_before_anything_is_computed(path: Path, tmp_path: Path, run: Run) -> None:
    weights = checkpoints.dvgl(tmp_path / "net.pth")
    cases = {
        ("dvlg",): (2, "did you mean 'dvgl'?"),
        ("onnx",): (2, "write onnx:PATH"),
        ("onnx:nowhere.onnx",): (3, "nowhere.onnx"),
        ("dvgl",): (2, "--checkpoint"),
        ("dvgl", "--checkpoint", "nowhere.pth"): (3, "nowhere.pth"),
        ("dvgl", "--checkpoint", weights, "--backbone", "resnet50conv4"): (3, "first backbone"),
        ("dvgl", "--checkpoint", weights, "--backbone", "resnet18"): (2, "did you mean 'resnet18conv"),
        ("salad",): (2, "accepted_licences"),
    }
    for arguments, (code, words) in cases.items():
        ended = run("index", "global", "-d", path, *SMALL, "--descriptor-type", *arguments)
        assert (ended.code, ended.err.count("\n")) == (code, 1), ended.err
        assert words in ended.err
    assert not list(path.glob("**/*_descriptor.npy"))


def test_help_shows_every_default(run: Run) -> None:
    text = " ".join(run("index", "global", "--help").out.split())
    for option in ("--backbone", "--aggregation", "--checkpoint", "--output-dim", "--image-size", "--multi-scale"):
        assert option in text
    assert text.count("[default: not set]") >= 5
