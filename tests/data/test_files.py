"""Files appear whole or not at all, and a disk that refuses is told in one line."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from geonav.data.files import (
    atomic_save_array,
    atomic_save_arrays,
    atomic_write_bytes,
    atomic_write_json,
    read_json_object,
)
from geonav.errors import DatabaseError, StorageError


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, "free some space"),
        (errno.EROFS, "make the disk writable"),
        (errno.EACCES, "make the folder writable"),
        (errno.EDQUOT, "quota"),
    ],
)
@pytest.mark.parametrize("step", ["write_bytes", "replace"])
def test_a_disk_that_refuses_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: Any, advice: Any, step: Any
) -> None:
    path = tmp_path / "file.json"
    path.write_text("old")

    def refuse(*_args: Any, **_kwargs: Any) -> None:
        raise OSError(number, "refused")

    monkeypatch.setattr(Path, step, refuse)
    with pytest.raises(StorageError, match=advice) as caught:
        atomic_write_bytes(path, b"new")
    monkeypatch.undo()
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert path.read_text() == "old"
    assert [item.name for item in tmp_path.iterdir()] == ["file.json"]


def test_an_interruption_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def interrupt(*_args: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        atomic_write_bytes(path, b"new")
    assert path.read_text() == "old"
    assert [item.name for item in tmp_path.iterdir()] == ["file"]


def test_other_errors_are_not_called_storage_errors(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        atomic_write_bytes(tmp_path / "missing" / "file", b"")


def test_json_keeps_the_order_of_keys_and_refuses_nan(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    atomic_write_json(path, {"w": 1, "h": 2, "a": "é"})
    assert list(json.loads(path.read_text("utf-8"))) == ["w", "h", "a"]
    with pytest.raises(ValueError, match="JSON"):
        atomic_write_json(path, {"w": float("nan")})
    assert read_json_object(path)["a"] == "é"


def test_arrays_come_back_as_they_were(tmp_path: Path) -> None:
    one = np.arange(6, dtype=np.float32).reshape(3, 2)
    atomic_save_array(tmp_path / "a.npy", one)
    atomic_save_arrays(tmp_path / "b.npz", one=one, name=np.array("x"))
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy", allow_pickle=False), one)
    with np.load(tmp_path / "b.npz", allow_pickle=False) as stored:
        assert sorted(stored.files) == ["name", "one"]
        assert str(stored["name"]) == "x"


@pytest.mark.parametrize("content", ["", "{", "[1]", "\x00\x01", "[" * 100_000])
def test_broken_json_is_named(tmp_path: Path, content: Any) -> None:
    path = tmp_path / "metadata.json"
    path.write_text(content)
    with pytest.raises(DatabaseError, match=r"metadata\.json"):
        read_json_object(path)
