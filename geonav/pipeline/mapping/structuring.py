"""From links to the pieces of one part: first what sources and pictures agree on, then what its points can place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from geonav.data.links import Link
from geonav.data.map_store import MapPart
from geonav.pipeline.mapping.adding import extended, place, solved_cameras
from geonav.pipeline.mapping.consistency import agree, consistent
from geonav.pipeline.mapping.pieces import stored_part
from geonav.pipeline.mapping.trying import solve_part

if TYPE_CHECKING:
    from geonav.pipeline.mapping.build import MapWork

Pair = tuple[str, str]
# Where fewer links than this turn as their sources say, the sources are not what to go by.
_MOST_AGREE = 0.5
# What was placed brings points that others hang on.
_ROUNDS = 3


def solve_anew(work: MapWork, uids: list[str], links: dict[Pair, Link]) -> list[MapPart]:
    """The structure that links hold which turn as sources say; then whatever its points can place besides.

    So neither a facade that repeats nor a reference whose source is grossly wrong bends what the others agree on.
    """
    trusted = consistent(agree(links, work.views), work.views)
    trusted = trusted if len(trusted) >= _MOST_AGREE * len(links) else links
    found = solve_part(work.part_input(uids, trusted))
    pieces = [stored_part(piece, work.feature_stamps(uids)) for piece in found]
    waiting = set(uids) - {uid for piece in pieces for uid in piece.uids}
    grown = []
    for piece in pieces:
        grown.append(_with_placed(work, piece, waiting, links))
        waiting -= set(grown[-1].uids)
    return grown


def _with_placed(work: MapWork, piece: MapPart, waiting: set[str], links: dict[Pair, Link]) -> MapPart:
    """A piece with those of the waiting references that its points place."""
    for _ in range(_ROUNDS):
        rest = sorted(waiting - set(piece.uids))
        cameras, whole = solved_cameras(piece, work.views), work.part_input(rest, links)
        tried = [place(piece, work.views[uid], whole, cameras) for uid in rest]
        placed = [new for new in tried if new is not None]
        if not placed:
            break
        everyone = [*piece.uids, *(new.view.uid for new in placed)]
        adjusted = extended(piece, placed, work.part_input(everyone, links))
        if adjusted is None:
            break
        piece = stored_part(adjusted, work.feature_stamps(everyone))
    return piece
