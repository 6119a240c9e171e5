"""Packed features are those of the entries, or nothing."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from geonav.data import packed
from geonav.data.features import LocalFeatures
from geonav.data.local_store import save_features
from geonav.data.packed import Entry, PackedFeatures, pack

MODEL, STAMP = "disk", "0123456789abcdef"


def features(seed: int, count: int = 50) -> LocalFeatures:
    rng = np.random.default_rng(seed)
    return LocalFeatures(
        rng.uniform(0, 640, (count, 2)).astype(np.float32),
        np.sort(rng.uniform(0, 9, count))[::-1].astype(np.float32),
        rng.normal(size=(count, 128)).astype(np.float16),
    )


def entry(root: Path, uid: str, seed: int, count: int = 50) -> Entry:
    folder = root / uid
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "image.jpg").write_bytes(b"picture")
    save_features(folder, MODEL, features(seed, count), STAMP)
    return Entry(uid, folder, STAMP)


@pytest.fixture
def entries(tmp_path: Path) -> list[Entry]:
    return [entry(tmp_path / "db", f"e{number:02d}", number, 40 + number) for number in range(12)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "packed"


def same(found: LocalFeatures | None, expected: LocalFeatures) -> bool:
    if found is None:
        return False
    pairs = ((getattr(found, name), getattr(expected, name)) for name in ("keypoints", "scores", "descriptors"))
    return all(a.dtype == b.dtype and np.array_equal(a, b) for a, b in pairs)


def test_what_is_packed_is_what_the_entries_hold(entries: list[Entry], folder: Path) -> None:
    made = pack(folder, MODEL, entries)
    for stored in (made, PackedFeatures.open(folder, MODEL)):
        assert len(stored) == 12
        for number, each in enumerate(entries):
            assert same(stored.read(each), features(number, 40 + number))


def test_parts_are_many_where_they_would_be_large(
    entries: list[Entry], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packed, "_PART_BYTES", 30_000)
    stored = pack(folder, MODEL, entries)
    assert len(list(folder.glob("part-*.bin"))) > 3
    assert all(same(stored.read(each), features(number, 40 + number)) for number, each in enumerate(entries))


def test_an_entry_that_changed_is_read_from_its_own_files(entries: list[Entry], folder: Path) -> None:
    stored = pack(folder, MODEL, entries)
    entry(entries[0].folder.parent, "e00", 99)
    assert stored.read(entries[0]) is None
    os.utime(entries[1].folder / "disk_keypoints.npy", ns=(1, 1))
    assert stored.read(entries[1]) is None
    (entries[2].folder / "image.jpg").write_bytes(b"another picture")
    assert stored.read(entries[2]) is None
    (entries[3].folder / "disk_descriptor.npz").unlink()
    assert stored.read(entries[3]) is None
    assert stored.read(Entry("e04", entries[4].folder, "other settings")) is None
    assert stored.read(Entry("unknown", entries[4].folder, STAMP)) is None


def test_only_what_is_new_is_written(entries: list[Entry], folder: Path) -> None:
    pack(folder, MODEL, entries[:10])
    (first,) = folder.glob("part-*.bin")
    before = first.stat().st_mtime_ns
    stored = pack(folder, MODEL, entries)
    assert first.stat().st_mtime_ns == before
    assert len(list(folder.glob("part-*.bin"))) == 2
    assert all(same(stored.read(each), features(number, 40 + number)) for number, each in enumerate(entries))
    index = folder / "index.npz"
    untouched = index.stat().st_mtime_ns
    pack(folder, MODEL, entries)
    assert index.stat().st_mtime_ns == untouched


def test_parts_that_are_mostly_waste_are_written_anew(entries: list[Entry], folder: Path) -> None:
    pack(folder, MODEL, entries)
    size = sum(path.stat().st_size for path in folder.glob("part-*.bin"))
    stored = pack(folder, MODEL, entries[:3])
    assert sum(path.stat().st_size for path in folder.glob("part-*.bin")) < 0.4 * size
    assert [stored.read(each) is None for each in entries] == [False] * 3 + [True] * 9


@pytest.mark.parametrize("content", [b"", b"PK broken", None])
def test_a_broken_index_is_no_index(entries: list[Entry], folder: Path, content: bytes | None) -> None:
    pack(folder, MODEL, entries)
    if content is None:
        next(folder.glob("part-*.bin")).write_bytes(b"cut")
    else:
        (folder / "index.npz").write_bytes(content)
    stored = PackedFeatures.open(folder, MODEL)
    assert all(stored.read(each) is None for each in entries)
    assert len(pack(folder, MODEL, entries)) == 12


def test_an_interrupted_run_leaves_what_was_there(
    entries: list[Entry], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack(folder, MODEL, entries[:6])

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(packed, "_appended", stop)
    with pytest.raises(KeyboardInterrupt):
        pack(folder, MODEL, entries)
    stored = PackedFeatures.open(folder, MODEL)
    assert len(stored) == 6
    assert same(stored.read(entries[5]), features(5, 45))
    assert not [path for path in folder.iterdir() if path.name.startswith(".geonav-tmp-")]


def test_an_entry_without_features_is_left_out(entries: list[Entry], folder: Path) -> None:
    (entries[3].folder / "disk_descriptor.npz").unlink()
    assert len(pack(folder, MODEL, entries)) == 11
