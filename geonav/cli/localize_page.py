"""``geonav localize --html``: the photos, what was found and what speaks for it, as a page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from geonav.data.results import LocalizationResult
from geonav.errors import InputError, UsageError

if TYPE_CHECKING:
    from geonav.data.database import Database
    from geonav.pipeline.view_matches import ViewMatches

HtmlOption = Annotated[
    Path | None,
    typer.Option(
        "--html",
        metavar="PATH",
        help="write a page with photos, references, match lines and a map, for any browser [default: none]",
        show_default=False,
    ),
]


class LocalizePage:
    """Takes the matches and the result of each photo; writes the page when all are there."""

    def __init__(self, html: Path | None, *, sequence: bool) -> None:
        """Look at what cannot work before any photo is located.

        Raises:
            UsageError: the page is asked for a sequence.
            InputError: there is no folder for the page.
        """
        if html is not None and sequence:
            msg = "--html shows photos, not a --sequence: leave one out, or write the track with --gpx"
            raise UsageError(msg)
        if html is not None and (html.is_dir() or not html.absolute().parent.is_dir()):
            msg = f"--html {html} is a folder, or is in none: name a file in a folder that exists"
            raise InputError(msg)
        self._html = html
        self._photos: list[tuple[LocalizationResult, list[ViewMatches]]] = []

    @property
    def is_wanted(self) -> bool:
        """Whether matches are asked for besides results: not where no page is written."""
        return self._html is not None

    def add(self, result: LocalizationResult, matches: Sequence[ViewMatches]) -> None:
        """Take the result of the next photo and its matches."""
        if self.is_wanted:
            self._photos.append((result, list(matches)))

    def write(self, references: Database) -> None:
        """Write the page.

        Raises:
            StorageError: the disk does not take it.
        """
        if self._html is None or not self._photos:
            return
        from geonav.evaluation.report.page import Heading, write_page
        from geonav.evaluation.report.rows import PagePhoto

        located = sum(result.status == "located" for result, _ in self._photos)
        photos = [PagePhoto(result, evidence) for result, evidence in self._photos]
        if len(photos) == 1:
            title, remark = Path(photos[0].path).name, f"{photos[0].path}, against {references.path}"
        else:
            title, remark = "Located photos", f"{located} of {len(photos)} against {references.path}"
        write_page(self._html, Heading(title, [remark]), photos, references)
