"""``geonav map``: from references with doubtful poses to a map; every run goes on where the last one stopped."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from geonav.config import GeonavConfig
from geonav.data.database import Database
from geonav.data.links import Link
from geonav.data.map_store import MapPart, MapStore
from geonav.data.progress import OnProgress, ProgressEvent, announce
from geonav.data.stamps import stamp
from geonav.errors import DatabaseError
from geonav.pipeline.engines.base import Engine
from geonav.pipeline.engines.registry import engine_of
from geonav.pipeline.index import index_global_by
from geonav.pipeline.mapping.finishing import Finisher
from geonav.pipeline.mapping.growing import Growth
from geonav.pipeline.mapping.linking import Linker
from geonav.pipeline.mapping.matching_work import Matching, linker_of
from geonav.pipeline.mapping.pairs import Similar, choose_pairs, closing_pairs
from geonav.pipeline.mapping.parts import connected, divided
from geonav.pipeline.mapping.report import MapReport
from geonav.pipeline.mapping.solving import MIN_FRAMES, PartInput
from geonav.pipeline.mapping.structuring import solve_anew
from geonav.pipeline.mapping.views import MapView, contradictory_frames, read_views
from geonav.pipeline.matching import keypoint_noise_px
from geonav.pipeline.stages import PlaceSearch, load_global
from geonav.pipeline.stored import with_recorded

logger = logging.getLogger(__name__)

# Goes up when the code gives other parts from the same links.
REVISION = 2
Pair = tuple[str, str]


def build_map(
    database: Database, config: GeonavConfig, *, rebuild: bool = False, on_progress: OnProgress | None = None
) -> MapReport:
    """Match references among themselves, reconstruct, and adjust them with what their sources say of their poses.

    What is missing of local features and global descriptors is computed first. Matches and solved parts are kept, so
    that an interrupted run goes on; ``rebuild`` forgets the parts. Entries keep their own ``E``; what was found is
    ``E_refined``, ``E_refined_cov`` and ``map_version``.

    Raises:
        DatabaseError: there is too little to map, or the pictures share too little.
        StorageError: the disk is full, read-only or not permitted; what was done is kept.
        GeonavError: as :func:`geonav.pipeline.index.index_global`.
    """
    with database.lock(), engine_of(config) as engine:
        work = MapWork.of(database, config, on_progress, engine)
        if rebuild:
            work.store.forget_all_but(set(work.store.part_ids()), set())
        links = work.link(None)
        with work.stage("solve"):
            solved = work.solve(links)
        with work.stage("finish"):
            return work.finish(solved, links)


def add_to_map(database: Database, config: GeonavConfig, on_progress: OnProgress | None = None) -> MapReport:
    """Let new entries join the map, and deleted or replaced ones leave it; other parts stay as they are.

    A part that gains or loses references is adjusted again as a whole, from the matches and points that it has.

    Raises:
        DatabaseError: there is no map.
        StorageError: the disk is full, read-only or not permitted; the map that was there is kept.
    """
    with database.lock(), engine_of(config) as engine:
        if not MapStore(database).part_ids():
            msg = f"{database.path} has no map: run `geonav map build`"
            raise DatabaseError(msg)
        work = MapWork.of(database, config, on_progress, engine)
        grown = Growth(work).grown()
        links = grown.links
        report = MapReport.of(work.store, [*work.left_out, *work.alone(grown.mapped, links)])
        counts = {"num_pairs": work.num_pairs, "num_links": len(links), "seconds": dict(work.seconds)}
        return report.model_copy(update=counts)


def _check_enough(database: Database, views: list[MapView], left_out: list[tuple[str, str]]) -> None:
    places = len({view.frame for view in views})
    if places < MIN_FRAMES:
        why = f"; {left_out[0][0]}: {left_out[0][1]}" if left_out else ""
        msg = f"{database.path} has {places} places that can be mapped, and a map takes {MIN_FRAMES}{why}"
        raise DatabaseError(msg)


Solved = list[tuple[str, list[MapPart]]]
"""Name and pieces of each part of one connected area."""


@dataclass
class MapWork:
    """One run of building a map."""

    database: Database
    config: GeonavConfig
    store: MapStore
    views: dict[str, MapView]
    left_out: list[tuple[str, str]]
    matching: Matching
    place: PlaceSearch
    on_progress: OnProgress | None
    num_pairs: int = 0
    seconds: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        database: Database,
        config: GeonavConfig,
        on_progress: OnProgress | None,
        engine: Engine,
        *,
        is_share: bool = False,
    ) -> MapWork:
        """Index what is not indexed, but for a share, and read what sources say of each reference that could be.

        Raises:
            DatabaseError: fewer references than a map takes.
        """
        start = time.perf_counter()
        views, left_out = read_views(database, database.uids())
        _check_enough(database, views, left_out)  # before anything is computed
        if not is_share:
            failed = dict(index_global_by(engine, database, config, on_progress).failed)
            left_out = [*failed.items(), *(each for each in left_out if each[0] not in failed)]
            views = [view for view in views if view.uid not in failed]
            _check_enough(database, views, left_out)
        config = with_recorded(config, database)
        store = MapStore(database)
        here = engine.here(config)
        matching = Matching(database, config, linker_of(database, here), engine, on_progress)
        place = load_global(database, here)
        seconds = {"index": round(time.perf_counter() - start, 3)}
        known = {view.uid: view for view in views}
        return cls(database, config, store, known, left_out, matching, place, on_progress, seconds=seconds)

    @property
    def linker(self) -> Linker:
        """What matches, and knows the references' features."""
        return self.matching.linker

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the time of what runs inside."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = round(time.perf_counter() - start, 3)

    def _similar(self) -> Similar:
        count = self.config.mapping.similar
        index, most = self.place.index, 4 * count + 8

        def similar(view: MapView) -> list[str]:
            if not count or view.uid not in index:
                return []
            return [uid for uid, _ in index.search(index.vectors([view.uid])[0], most)]

        return similar

    @property
    def least(self) -> int:
        """Verified matches that make a link."""
        return self.config.mapping.min_matches

    def pairs(self, wanted: set[str] | None) -> list[Pair]:
        """Pairs to be matched at first; all, or those with a reference that is ``wanted``."""
        return choose_pairs(list(self.views.values()), self._similar(), self.config.mapping, wanted)

    def link(self, wanted: set[str] | None) -> dict[Pair, Link]:
        """Verified links between references; of all, or those with one that is ``wanted``."""
        with self.stage("match"):
            found = self.matching.link(self.pairs(wanted), self.views)
            least = self.least
            more = closing_pairs({pair: len(link.pairs) for pair, link in found.items()}, least, self.views)
            more = [pair for pair in more if pair not in found and (wanted is None or wanted.intersection(pair))]
            found |= self.matching.link(more, self.views)
            self.num_pairs += len(found)
        return {pair: link for pair, link in found.items() if len(link.pairs) >= least}

    def solve(self, links: dict[Pair, Link], wanted: set[str] | None = None) -> list[Solved]:
        """Every connected area, in parts of bounded size; what was solved before is taken as it is.

        Args:
            links: what connects.
            wanted: only these references; all if None.
        """
        frames = {uid: view.frame for uid, view in self.views.items() if wanted is None or uid in wanted}
        areas = [
            group for group in connected(list(frames), links, frames) if len({frames[u] for u in group}) >= MIN_FRAMES
        ]
        counts = {pair: len(link.pairs) for pair, link in links.items()}
        divisions = [divided([self.views[uid] for uid in area], counts, self.config.mapping) for area in areas]
        total, done, solved = sum(len(parts) for parts in divisions), 0, []
        for parts in divisions:
            area: Solved = []
            for uids in parts:
                area.append(self._solve_part(uids, links))
                done += 1
                announce(self.on_progress, ProgressEvent("solve parts", done, total, uids[0]))
            solved.append(area)
        return solved

    def _solve_part(self, uids: list[str], links: dict[Pair, Link]) -> tuple[str, list[MapPart]]:
        chosen = set(uids)
        own = {pair: link for pair, link in links.items() if chosen.issuperset(pair)}
        name = stamp(
            {
                "revision": REVISION,
                "views": [self.views[uid].stamp for uid in uids],
                "links": [[*pair, link.stamp] for pair, link in sorted(own.items())],
                "sequence_std_m": self.config.mapping.sequence_std_m,
                "seed": self.config.seed,
            }
        )
        pieces = self.store.read_solved(name)
        if pieces is None:
            pieces = solve_anew(self, uids, own)
            self.store.write_solved(name, pieces)
        return name, pieces

    def feature_stamps(self, uids: list[str]) -> dict[str, str]:
        """Of the local features that the keypoints of some references are counted in."""
        return {uid: self.linker.features.stamp_of(uid) for uid in uids}

    def part_input(self, uids: list[str], links: dict[Pair, Link]) -> PartInput:
        """All that solving needs of some references."""
        views = [self.views[uid] for uid in uids]
        side = self.config.local.max_side_px
        return PartInput(
            views=views,
            keypoints={uid: self.linker.features.read(uid).keypoints.astype(float) for uid in uids},
            noise_px={v.uid: keypoint_noise_px((v.camera.width, v.camera.height), side) for v in views},
            links={pair: link.pairs for pair, link in links.items()},
            sequence_std_m=self.config.mapping.sequence_std_m,
            seed=self.config.seed,
        )

    def finish(self, solved: list[Solved], links: dict[Pair, Link]) -> MapReport:
        """Bring overlapping parts together, store them, and write what was found into the entries.

        Raises:
            DatabaseError: nothing could be mapped.
        """
        finisher = Finisher(self.database, self.store, self.views, self.linker.features, self.on_progress)
        parts = [part for area in solved for part in finisher.parts(area)]
        if not parts:
            msg = f"{self.database.path}: {self._why_nothing(links)}"
            raise DatabaseError(msg)
        finisher.write(parts, {name for area in solved for name, _ in area})
        contradictory = contradictory_frames(self.database, list(self.views.values()))
        mapped = {uid for _, part in parts for uid in part.uids}
        report = MapReport.of(self.store, [*self.left_out, *self.alone(mapped, links)])
        if contradictory:
            logger.warning(
                "%d views of panoramas contradict each other's centre and are mapped each on its own: %s",
                len(contradictory),
                ", ".join(contradictory[:5]),
            )
        counts = {"num_pairs": self.num_pairs, "num_links": len(links), "seconds": dict(self.seconds)}
        return report.model_copy(update=counts)

    def alone(self, mapped: set[str], links: dict[Pair, Link]) -> list[tuple[str, str]]:
        """Uid and reason of references that are in no part."""
        linked = {uid for pair in links for uid in pair}
        reasons = {
            True: "it shares matches with others, but could not be joined to them",
            False: "it shares too few matches with any other reference",
        }
        return [(uid, reasons[uid in linked]) for uid in self.views if uid not in mapped]

    def _why_nothing(self, links: dict[Pair, Link]) -> str:
        if not links:
            return (
                f"none of {self.num_pairs} pairs of references shares {self.config.mapping.min_matches} matches that "
                f"one rigid scene explains: there is nothing to map"
            )
        if len(self.views) > 1 and self._stand_at_one_spot():
            return "all references stand at one spot: pictures from one place say nothing of distances; add others"
        return f"the references are linked by {len(links)} pairs, but no three of them could be joined into a part"

    def _stand_at_one_spot(self) -> bool:
        import numpy as np

        places = np.array([view.position_m[:2] for view in self.views.values()])
        return bool(np.linalg.norm(places - places.mean(0), axis=1).max() < 0.05)
