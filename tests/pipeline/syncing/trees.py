"""Small databases, and what they hold."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from geonav.config import GeonavConfig, load_config
from geonav.data.database import Database
from geonav.geometry.geodesy import GeoPoint
from geonav.pipeline.syncing.rows import is_left_out


def make_database(folder: Path, entries: int = 3, seed: int = 0) -> Database:
    """Entries of random bytes: what is in them does not matter here."""
    database = Database.create(folder, GeoPoint(48.9, 8.4, 100.0))
    rng = np.random.default_rng(seed)
    for number in range(entries):
        add_entry(folder, f"{number:04d}", rng)
    own = folder / ".geonav" / "index" / "vlad"
    own.mkdir(parents=True)
    (own / "index.npz").write_bytes(rng.bytes(3000))
    (own / "empty").write_bytes(b"")
    return database


def add_entry(folder: Path, uid: str, rng: np.random.Generator) -> None:
    """One more entry."""
    (folder / uid).mkdir()
    (folder / uid / "metadata.json").write_text(f'{{"uid": "{uid}"}}')
    (folder / uid / "image.jpg").write_bytes(rng.bytes(2000))


def contents(folder: Path) -> dict[str, str]:
    """The SHA-256 of every file that is copied."""
    files = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest()
        for name, path in sorted(files.items())
        if not is_left_out(name)
    }


def everything(folder: Path) -> dict[str, bytes]:
    """Every file, with its content."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def storage(**settings: object) -> GeonavConfig:
    """A configuration that loses no time on pauses."""
    return load_config(overrides={"storage": {"backoff_s": 0.01, "attempts": 3, "pack_mb": 1, **settings}})
