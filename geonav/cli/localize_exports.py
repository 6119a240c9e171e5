"""What ``geonav localize`` writes beside its answer: KML, and EXIF into the photos or copies of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from geonav.data.results import LocalizationResult
from geonav.errors import InputError, PartialError, UsageError

KmlOption = Annotated[
    Path | None,
    typer.Option(
        "--kml",
        metavar="PATH",
        help="write points and camera views for Google Earth [default: none]",
        show_default=False,
    ),
]
WriteExifOption = Annotated[
    bool,
    typer.Option(
        "--write-exif",
        help="write where they were taken into copies of the photos, in a folder 'located' beside them [default: off]",
        show_default=False,
    ),
]
InPlaceOption = Annotated[
    bool,
    typer.Option("--in-place", help="--write-exif changes the photos themselves [default: off]", show_default=False),
]


class LocalizeExports:
    """Takes results one by one; EXIF is written at once, KML when all are there."""

    def __init__(self, photos: Sequence[Path], kml: Path | None, *, write_exif: bool, in_place: bool) -> None:
        """Look at what cannot work before any photo is located.

        Raises:
            UsageError: ``--in-place`` without ``--write-exif``.
            InputError: there is no folder for the KML file, or a photo takes no EXIF.
        """
        from geonav.formats.exif_write import can_take_exif

        if in_place and not write_exif:
            msg = "--in-place says where --write-exif writes: give both"
            raise UsageError(msg)
        if kml is not None and not kml.absolute().parent.is_dir():
            msg = f"there is no folder {kml.parent} for --kml {kml}: make it first"
            raise InputError(msg)
        for photo in photos if write_exif else ():
            if photo.is_file() and not can_take_exif(photo):
                msg = f"{photo} is not a JPEG, the only format that --write-exif writes: convert it or leave it out"
                raise InputError(msg)
        self._kml = kml
        self._write_exif = write_exif
        self._in_place = in_place
        self._results: list[LocalizationResult] = []
        self._num_unwritten = 0

    def add(self, result: LocalizationResult) -> None:
        """Take the next result; a photo without a pose, or whose EXIF takes nothing, is left as it is.

        Raises:
            StorageError: the disk does not take the photo.
        """
        if self._kml is not None:
            self._results.append(result)
        if self._write_exif and result.status == "located":
            from geonav.formats.exif_write import write_exif

            try:
                written = write_exif(result.query, result, in_place=self._in_place)
                typer.echo(f"EXIF written: {written}", err=True)
            except InputError as error:
                typer.echo(f"EXIF not written: {error}", err=True)
                self._num_unwritten += 1

    def write(self) -> None:
        """Write what waits for all results.

        Raises:
            StorageError: the disk does not take the file.
        """
        if self._kml is not None:
            from geonav.formats.kml import write_kml

            write_kml(self._kml, self._results)

    def check(self) -> None:
        """Let the exit code say whether all EXIF was written.

        Raises:
            PartialError: that of some located photos was not.
        """
        if self._num_unwritten:
            msg = f"the EXIF of {self._num_unwritten} located photos was not written; each says why"
            raise PartialError(msg)
