"""hloc's files: HDF5 features and matches, pair lists and query lists with intrinsics.

hloc puts the centre of the first pixel at (0, 0), geonav at (0.5, 0.5): half a pixel is taken off on writing and put
on again on reading. hloc keeps descriptors as (D, N), and names a pair's group by both names with ``/`` replaced by
``-``. ``h5py`` is needed for the HDF5 files: ``pip install 'geonav[hloc]'``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from geonav.data.features import LocalFeatures
from geonav.data.files import TEMPORARY_PREFIX, atomic_write_bytes, storage_errors
from geonav.errors import InputError
from geonav.formats.lines import broken, numbered_lines
from geonav.geometry.camera import Camera

Pairs = NDArray[np.int64]


class FeatureRow(NamedTuple):
    """Features of one image, keypoints in geonav's pixels, and its width and height."""

    name: str
    features: LocalFeatures
    size: tuple[int, int]


class MatchRow(NamedTuple):
    """Matches of two images: (M, 2) keypoint indices, (M,) scores, and the number of keypoints of the first."""

    name0: str
    name1: str
    pairs: Pairs
    scores: NDArray[np.float32]
    num_keypoints0: int


def write_features(path: Path | str, rows: Iterable[FeatureRow]) -> int:
    """Write an hloc feature file and give the number of images.

    Raises:
        InputError: h5py is missing.
        StorageError: the file cannot be written.
    """
    count = 0
    with _new_file(Path(path)) as file:
        for row in rows:
            group = file.create_group(row.name)
            group["keypoints"] = row.features.keypoints.astype(np.float32) - np.float32(0.5)
            group["descriptors"] = np.ascontiguousarray(row.features.descriptors.T)
            group["scores"] = row.features.scores
            group["image_size"] = np.array(row.size, np.int64)
            count += 1
    return count


def read_features(path: Path | str, names: Sequence[str] | None = None) -> Iterator[FeatureRow]:
    """Features of the images ``names``, in their order, or of all.

    Raises:
        InputError: the file is missing or broken, or lacks an image.
    """
    file_path = Path(path)
    with _opened(file_path) as file:
        for name in _image_names(file, "keypoints") if names is None else names:
            group = _group(file, name, file_path)
            try:
                keypoints = np.asarray(group["keypoints"], np.float32).reshape(-1, 2) + np.float32(0.5)
                descriptors = np.asarray(group["descriptors"]).T
                scores = np.asarray(group["scores"], np.float32) if "scores" in group else np.ones(len(keypoints), "f4")
                width, height = (int(value) for value in group["image_size"])
                yield FeatureRow(name, LocalFeatures(keypoints, scores, descriptors), (width, height))
            except (KeyError, ValueError, TypeError) as error:
                msg = f"{file_path}: the features of '{name}' are not hloc's ({error}): export them again"
                raise InputError(msg) from error


def pair_name(name0: str, name1: str) -> str:
    """The group of a pair in a match file."""
    return "/".join(name.replace("/", "-") for name in (name0, name1))


def write_matches(path: Path | str, rows: Iterable[MatchRow]) -> int:
    """Write an hloc match file and give the number of pairs.

    Raises:
        InputError: h5py is missing.
        StorageError: the file cannot be written.
    """
    count = 0
    with _new_file(Path(path)) as file:
        for row in rows:
            matches = np.full(row.num_keypoints0, -1, np.int32)
            scores = np.zeros(row.num_keypoints0, np.float16)
            matches[row.pairs[:, 0]] = row.pairs[:, 1]
            scores[row.pairs[:, 0]] = row.scores
            group = file.create_group(pair_name(row.name0, row.name1))
            group["matches0"], group["matching_scores0"] = matches, scores
            count += 1
    return count


def read_matches(path: Path | str, pairs: Iterable[tuple[str, str]]) -> Iterator[MatchRow]:
    """Matches of those of ``pairs`` that the file has, in either direction.

    Raises:
        InputError: the file is missing or broken.
    """
    file_path = Path(path)
    with _opened(file_path) as file:
        for name0, name1 in pairs:
            reverse = pair_name(name0, name1) not in file
            key = pair_name(*((name1, name0) if reverse else (name0, name1)))
            if key not in file:
                continue
            try:
                matches = np.asarray(file[key]["matches0"], np.int64)
                scores = np.asarray(file[key]["matching_scores0"], np.float32)
                found = np.flatnonzero(matches >= 0)
                indices = np.stack([found, matches[found]], axis=1)
                names = (name1, name0) if reverse else (name0, name1)
                yield MatchRow(*names, indices, scores[found], len(matches))
            except (KeyError, ValueError, TypeError, IndexError) as error:
                msg = f"{file_path}: the matches of '{key}' are not hloc's ({error}): export them again"
                raise InputError(msg) from error


def write_pairs(path: Path | str, pairs: Iterable[tuple[str, str]]) -> int:
    """Write a pair list, ``query reference`` a line, and give its length.

    Raises:
        InputError: a name has a blank in it.
        StorageError: the file cannot be written.
    """
    lines = [f"{_one_word(first)} {_one_word(second)}\n" for first, second in pairs]
    atomic_write_bytes(Path(path), "".join(lines).encode())
    return len(lines)


def read_pairs(path: Path | str) -> list[tuple[str, str]]:
    """The pairs of a list, in order.

    Raises:
        InputError: missing or broken; the message names file and line.
    """
    file, pairs = Path(path), []
    for number, line in numbered_lines(file, "pair list"):
        words = line.split()
        if len(words) != 2:
            raise broken(file, number, "not two image names: a pair list has 'query reference' lines")
        pairs.append((words[0], words[1]))
    return pairs


def write_query_list(path: Path | str, rows: Iterable[tuple[str, Camera]]) -> int:
    """Write ``name MODEL width height params...`` lines and give their number.

    Raises:
        InputError: a name has a blank in it.
        StorageError: the file cannot be written.
    """
    lines = []
    for name, camera in rows:
        params = " ".join(repr(float(value)) for value in camera.params)
        lines.append(f"{_one_word(name)} {camera.model} {camera.width} {camera.height} {params}\n")
    atomic_write_bytes(Path(path), "".join(lines).encode())
    return len(lines)


def read_query_list(path: Path | str) -> dict[str, Camera]:
    """Cameras by image name, in the file's order.

    Raises:
        InputError: missing or broken; the message names file and line.
    """
    file, cameras = Path(path), {}
    for number, line in numbered_lines(file, "query list"):
        try:
            name, model, width, height, *params = line.split()
            camera = Camera(model, int(width), int(height), tuple(float(value) for value in params))
        except (ValueError, InputError) as error:
            reason = f" ({error})" if isinstance(error, InputError) else ""
            raise broken(file, number, f"not name MODEL width height params...{reason}: correct it") from error
        if name in cameras:
            raise broken(file, number, f"'{name}' is there twice: remove one")
        cameras[name] = camera
    return cameras


def _one_word(name: str) -> str:
    if name.split() != [name] or name.startswith("#"):
        msg = f"image name '{name}' cannot stand in a list of hloc's, which are split at blanks: rename it"
        raise InputError(msg)
    return name


def _h5py() -> Any:  # noqa: ANN401 - h5py has no types
    try:
        import h5py
    except ImportError as error:
        msg = "hloc's HDF5 files need h5py: pip install 'geonav[hloc]'"
        raise InputError(msg) from error
    return h5py


@contextmanager
def _new_file(path: Path) -> Iterator[Any]:
    """An HDF5 file that appears whole or not at all."""
    h5py = _h5py()
    draft = path.with_name(f"{TEMPORARY_PREFIX}{path.name}")
    with storage_errors(path):
        try:
            with h5py.File(draft, "w") as file:
                yield file
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    h5py = _h5py()
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        reason = "there is no such file" if not path.exists() else "it is not HDF5, or cut short"
        msg = f"{path} cannot be read: {reason}"
        raise InputError(msg) from error
    with file:
        yield file


def _group(file: Any, name: str, path: Path) -> Any:  # noqa: ANN401 - h5py has no types
    if name not in file:
        msg = f"{path} has no image '{name}': export it with the same names"
        raise InputError(msg)
    return file[name]


def _image_names(file: Any, dataset: str) -> list[str]:  # noqa: ANN401 - h5py has no types
    names: list[str] = []

    def visit(name: str, _item: object) -> None:
        if name.rpartition("/")[2] == dataset:
            names.append(name.rpartition("/")[0])

    file.visititems(visit)
    return sorted(names)
