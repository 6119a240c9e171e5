"""Many photos located, as an engine has it done."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geonav import __version__
from geonav.config import GeonavConfig
from geonav.data.database import Database
from geonav.data.progress import OnProgress, ProgressEvent, announce
from geonav.data.results import LocalizationResult
from geonav.errors import ImageError
from geonav.geometry.camera import Camera
from geonav.pipeline.engines.base import in_order
from geonav.pipeline.engines.place import Place
from geonav.pipeline.engines.registry import engine_of

if TYPE_CHECKING:
    from geonav.pipeline.localize import Localizer
    from geonav.pipeline.view_matches import ViewMatches


@dataclass(frozen=True)
class Located:
    """What was found of a photo.

    Attributes:
        result: where it was taken, or why that is not known.
        matches: with each posed reference, where they were asked for.
    """

    result: LocalizationResult
    matches: tuple[ViewMatches, ...] = ()


@dataclass(frozen=True)
class Given:
    """What is given with all photos of a call.

    Attributes:
        camera: their calibration.
        mask: picture that is black where they must not be looked at.
        with_matches: whether matches are wanted too.
    """

    camera: Camera | None = None
    mask: Path | None = None
    with_matches: bool = False


@dataclass(frozen=True)
class LocateWork:
    """Locates photos.

    Attributes:
        place: the database.
        given: with the photos.
    """

    place: Place
    given: Given

    def open(self) -> LocateWorker:
        """Load the networks and the index."""
        return _worker(self.place.open(), self.place.config, self.given)


@dataclass(frozen=True)
class LocateWorker:
    """Holds the networks and the index."""

    localizer: Localizer
    given: Given = field(default_factory=Given)

    def work(self, items: Iterable[Path]) -> Iterator[Located]:
        """Locate photos; one that cannot be read is not located, and says why."""
        for photo in items:
            matches: list[ViewMatches] = []
            further: dict[str, Any] = {"on_matched": matches.extend} if self.given.with_matches else {}
            try:
                result = self.localizer.locate(photo, camera=self.given.camera, mask=self.given.mask, **further)
            except ImageError as error:
                result = not_located(photo, str(error))
            yield Located(result, tuple(matches))


def locate_photos(
    database: Database,
    config: GeonavConfig,
    photos: Sequence[Path],
    given: Given | None = None,
    on_progress: OnProgress | None = None,
) -> Generator[Located, None, None]:
    """Locate photos by the engine that ``config`` names; what was found comes in the order of ``photos``.

    The networks are loaded once a worker. The workers of a cluster must see the photos too, under the same names.

    Raises:
        GeonavError: as :class:`geonav.pipeline.localize.Localizer`, or as the engine.
    """
    asked = given or Given()
    with engine_of(config) as engine, Place.of(database, config, writes=False) as place:
        own = _worker(database, config, asked) if engine.is_local else None
        with closing(engine.run(LocateWork(place, asked), photos, own)) as finished:
            for number, done in enumerate(in_order(finished, photos), start=1):
                yield done.result or Located(not_located(done.item, done.failure))
                announce(on_progress, ProgressEvent("localize", number, len(photos), done.item.name))


def _worker(database: Database, config: GeonavConfig, given: Given) -> LocateWorker:
    from geonav.pipeline.localize import Localizer

    return LocateWorker(Localizer(database, config), given)


def not_located(photo: Path, reason: str) -> LocalizationResult:
    """The result of a photo that nothing can be found of."""
    return LocalizationResult(query=str(photo), status="not_located", reason=reason, geonav_version=__version__)
