"""What every importer hands over: pictures, and how each is to be described."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import NamedTuple, TypeVar

from geonav.data.images import StorableImage
from geonav.data.metadata import ImageMetadata
from geonav.errors import InputError


@dataclass(frozen=True)
class Trust:
    """How far a source's poses are to be trusted.

    Attributes:
        position_std_m: standard deviation along each axis, in metres.
        heading_std_deg: standard deviation of the azimuth, in degrees.
    """

    position_std_m: float
    heading_std_deg: float


class Described(NamedTuple):
    """Metadata of a picture in the target's frame, and what a person should know about it."""

    metadata: ImageMetadata
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Candidate:
    """A picture that may be imported.

    Attributes:
        name: how its source names it: a path relative to the source, with forward slashes.
        path: the file.
        describe: gives its metadata once the picture was read; raises InputError if it cannot be.
        mask: the file of its mask, or None.
    """

    name: str
    path: Path
    describe: Callable[[StorableImage], Described]
    mask: Path | None = None


Named = TypeVar("Named")


def in_sequence(candidates: Sequence[Candidate], sequence: str | None) -> list[Candidate]:
    """The candidates, described as of one drive; as they are where it has no name."""
    if sequence is None:
        return list(candidates)

    def named(candidate: Candidate) -> Candidate:
        def describe(picture: StorableImage) -> Described:
            metadata, notes = candidate.describe(picture)
            return Described(ImageMetadata.model_validate(metadata.model_dump() | {"sequence": sequence}), notes)

        return replace(candidate, describe=describe)

    return [named(candidate) for candidate in candidates]


def selected(
    items: Sequence[Named], name_of: Callable[[Named], str], include: Sequence[str], exclude: Sequence[str]
) -> list[Named]:
    """Those whose name matches a pattern of ``include`` (all, if there is none) and none of ``exclude``.

    A pattern is compared with the whole name and with its last part.

    Raises:
        InputError: there were items, and none is left.
    """
    kept = [
        item
        for item in items
        if (not include or _matches(name_of(item), include)) and not _matches(name_of(item), exclude)
    ]
    if items and not kept:
        patterns = [f"--include {pattern}" for pattern in include] + [f"--exclude {pattern}" for pattern in exclude]
        msg = f"none of {len(items)} pictures, the first being '{name_of(items[0])}', is left by {' '.join(patterns)}"
        raise InputError(msg)
    return kept


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(text, pattern) for pattern in patterns for text in (name, PurePosixPath(name).name))
