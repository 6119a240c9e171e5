"""What a map says of its references: how far each moved, what does not fit, what hangs by a thread."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from geonav.data.database import Database
from geonav.data.map_store import MapStore
from geonav.errors import DatabaseError


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ViewReport(_Record):
    """One reference of a part."""

    uid: str
    lat: float = Field(description="degrees, as refined")
    lng: float = Field(description="degrees, as refined")
    azimuth: float = Field(description="as refined, degrees from true north")
    moved_m: tuple[float | None, float | None, float | None] = Field(
        description="east, north, up from where its source put it; null where that says nothing"
    )
    turned_deg: float | None = Field(description="clockwise from where its source has it look; null where not said")
    tilted_deg: float = Field(description="between its vertical and the source's")
    position_std_m: tuple[float, float, float] = Field(description="of the refined position: east, north, up")
    heading_std_deg: float = Field(description="of the refined heading")
    position_sigmas: float = Field(description="what it moved, in standard deviations of its source")
    heading_sigmas: float | None
    num_points: int = Field(description="points of the map that it sees")
    num_links: int = Field(description="references that it shares points with")
    residual_px: float = Field(description="median distance between its keypoints and the points they show")
    suspect: str | None = Field(description="what of its source cannot be right: position, heading, tilt; else null")


class SequenceReport(_Record):
    """One drive."""

    name: str
    num_views: int
    offset_m: tuple[float, float, float] = Field(
        description="east, north, up: what is to be added to all its positions"
    )
    offset_std_m: tuple[float, float, float]


class LinkReport(_Record):
    """Two references and the matches that one rigid scene explains."""

    first: str
    second: str
    num_matches: int


class PartReport(_Record):
    """One rigid piece of the world."""

    part: str = Field(description="its name, which is the map_version of its entries")
    num_views: int
    num_points: int
    num_observations: int
    residual_px: float = Field(description="median distance between keypoints and the points they show")
    median_moved_m: float
    weak_tilt_deg: float = Field(description="standard deviation of the turn about the line that the cameras stand on")
    notes: list[str] = Field(default_factory=list, description="what a careful reader should know")
    views: list[ViewReport]
    sequences: list[SequenceReport] = Field(default_factory=list)
    weak_links: list[LinkReport] = Field(
        default_factory=list, description="links without which the part would fall in two, or nearly"
    )

    @property
    def suspects(self) -> list[ViewReport]:
        """References whose source cannot be right."""
        return [view for view in self.views if view.suspect is not None]


class MapReport(_Record):
    """The whole map."""

    parts: list[PartReport]
    alone: list[tuple[str, str]] = Field(default_factory=list, description="uid and reason of references in no part")
    num_pairs: int = Field(0, description="pairs of references that were matched")
    num_links: int = Field(0, description="of them, those that show one rigid scene")
    seconds: dict[str, float] = Field(default_factory=dict, description="wall time of each stage of this run")

    @property
    def num_mapped(self) -> int:
        """References that are in a part."""
        return len({view.uid for part in self.parts for view in part.views})

    @classmethod
    def of(cls, store: MapStore, alone: Iterable[tuple[str, str]] = ()) -> Self:
        """The report of a finished map.

        Raises:
            DatabaseError: a part is broken.
        """
        parts = [PartReport.model_validate(store.report(part_id)) for part_id in store.part_ids()]
        return cls(parts=sorted(parts, key=lambda part: (-part.num_views, part.part)), alone=list(alone))


def map_report(database: Database) -> MapReport:
    """The report of the map that is there.

    Raises:
        DatabaseError: there is none, or it is broken.
    """
    store = MapStore(database)
    if not store.part_ids():
        msg = f"{database.path} has no map: run `geonav map build`"
        raise DatabaseError(msg)
    mapped = MapReport.of(store)
    known = {view.uid for part in mapped.parts for view in part.views}
    alone = [
        (uid, "it is in no part of the map: run `geonav map build`") for uid in database.uids() if uid not in known
    ]
    return mapped.model_copy(update={"alone": alone})
