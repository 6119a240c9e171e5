"""``geonav map add``: what came new joins, what is gone leaves."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from geonav.data.links import Link
from geonav.data.map_store import MapPart
from geonav.errors import DatabaseError
from geonav.pipeline.mapping.adding import Placed, extended, place, solved_cameras, without_gone
from geonav.pipeline.mapping.finishing import Finisher, part_name
from geonav.pipeline.mapping.pieces import stored_part
from geonav.pipeline.mapping.solving import PartInput

if TYPE_CHECKING:
    from geonav.pipeline.mapping.build import MapWork

Pair = tuple[str, str]
# What joined brings points that others hang on: so many times is looked for more.
_ROUNDS = 3


@dataclass
class Growth:
    """One run of adding to a map.

    Attributes:
        work: the database and its references.
        parts: by name, as they are by now; a part that changed has its old name until it is stored.
        changed: names of those that gained or lost references.
        links: of new references.
    """

    work: MapWork
    parts: dict[str, MapPart] = field(default_factory=dict)
    changed: set[str] = field(default_factory=set)
    links: dict[Pair, Link] = field(default_factory=dict)

    @property
    def mapped(self) -> set[str]:
        """Uids in any part."""
        return {uid for part in self.parts.values() for uid in part.uids}

    def grown(self) -> Growth:
        """Match new references, let them join, and store what changed."""
        work = self.work
        self._read_parts()
        new = set(work.views) - self.mapped
        self.links = work.link(new) if new else {}
        with work.stage("solve"):
            waiting = new
            for _ in range(_ROUNDS):
                joined = self._join(waiting)
                waiting = waiting - joined
                if not joined:
                    break
            apart = self._parts_of_their_own(waiting)
        with work.stage("finish"):
            self._store(apart)
        return self

    def _read_parts(self) -> None:
        """The parts, without references that are not what they were."""
        for name in self.work.store.part_ids():
            part = self.work.store.read(name)
            left = without_gone(part, self.work.views, self.work.linker.features.stamp_of)
            if left is not None:
                self.parts[name] = left
            if left is not part:
                self.changed.add(name)

    def _join(self, waiting: set[str]) -> set[str]:
        """References that points of a part could place; each joins the part that shows it most."""
        placed: dict[str, list[Placed]] = {}
        for uid in sorted(waiting):
            for name in self._candidates(uid):
                new = self._place(name, uid)
                if new is not None:
                    placed.setdefault(name, []).append(new)
                    break
        joined = set()
        for name, members in placed.items():
            uids = [*self.parts[name].uids, *(new.view.uid for new in members)]
            adjusted = extended(self.parts[name], members, self._input(uids))
            if adjusted is not None:
                self.parts[name] = stored_part(adjusted, self.work.feature_stamps(uids))
                self.changed.add(name)
                joined |= {new.view.uid for new in members}
        return joined

    def _candidates(self, uid: str) -> list[str]:
        """Parts that a reference has links into, most first."""
        count: Counter[str] = Counter()
        for (first, second), link in self.links.items():
            if uid in {first, second}:
                other = second if first == uid else first
                count.update({name: len(link.pairs) for name, part in self.parts.items() if other in part.row_of})
        return [name for name, _ in count.most_common()]

    def _place(self, name: str, uid: str) -> Placed | None:
        part = self.parts[name]
        cameras = solved_cameras(part, self.work.views)
        own = {pair: link for pair, link in self.links.items() if uid in pair}
        return place(part, self.work.views[uid], self.work.part_input([uid], own), cameras)

    def _input(self, uids: list[str]) -> PartInput:
        chosen = set(uids)
        return self.work.part_input(uids, {pair: link for pair, link in self.links.items() if chosen.issuperset(pair)})

    def _parts_of_their_own(self, waiting: set[str]) -> list[tuple[str, MapPart]]:
        """New references that no part holds, but that hold each other."""
        among = {pair: link for pair, link in self.links.items() if waiting.issuperset(pair)}
        if not among:
            return []
        finisher = self._finisher()
        return [part for area in self.work.solve(among, waiting) for part in finisher.parts(area)]

    def _finisher(self) -> Finisher:
        work = self.work
        return Finisher(work.database, work.store, work.views, work.linker.features, work.on_progress)

    def _store(self, apart: list[tuple[str, MapPart]]) -> None:
        kept = frozenset(self.parts.keys() - self.changed)
        renewed = [
            (part_name(name, self.parts[name]), self.parts[name]) for name in sorted(self.changed & self.parts.keys())
        ]
        if not (kept or renewed or apart):
            msg = f"{self.work.database.path}: nothing of the map is left: run `geonav map build`"
            raise DatabaseError(msg)
        self._finisher().write([*renewed, *apart], None, kept)
        for name, part in apart:
            self.parts[name] = part
