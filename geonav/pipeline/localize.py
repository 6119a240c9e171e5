"""``geonav localize``: a photo in, the camera's position on Earth out, or an honest refusal."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from geonav.config import GeonavConfig
from geonav.data.database import Database
from geonav.data.features import LocalFeatures
from geonav.data.images import Picture
from geonav.data.map_store import MapStore
from geonav.data.places import Places
from geonav.data.results import KSource, LocalizationResult, Status
from geonav.data.stamps import stamp
from geonav.geometry.camera import Camera
from geonav.pipeline.adjusting import is_doubtful, with_adjusted
from geonav.pipeline.answer import Told, asked_settings, located_notes, replaced, said_of
from geonav.pipeline.candidates import DEPTH
from geonav.pipeline.contest import Contest, Surroundings
from geonav.pipeline.extraction import extract, extract_all, given_mask
from geonav.pipeline.found import Found, Stopwatch, nothing_matched
from geonav.pipeline.hits import Asked, Retrieved
from geonav.pipeline.inliers import InlierCounter
from geonav.pipeline.mapped import Mapped, with_silent
from geonav.pipeline.matching import MatchedPhoto, MatchedReferences, ReferenceMatcher, keypoint_noise_px
from geonav.pipeline.query import PreparedPhoto, QueryPhoto, read_query
from geonav.pipeline.result import pose_of_result
from geonav.pipeline.retrieval import DEFAULT_GPS_STD_M, Retriever
from geonav.pipeline.solving import PhotoSolver
from geonav.pipeline.stages import load_extractor, load_features, load_global, load_matcher
from geonav.pipeline.stored import with_recorded
from geonav.pipeline.view_matches import ViewMatches, view_matches
from geonav.pose.acceptance import Thresholds
from geonav.pose.decide import DecideOptions, Decision
from geonav.pose.solver import Query, SolveOptions
from geonav.pose.tracks import View

# Fewer keypoints than this cannot carry a pose: sky, blur, darkness.
_MIN_KEYPOINTS = 30
# One reference with this many matches means the place is known even where no pose holds.
_RETRIEVED_MATCHES = 100


class Localizer:
    """Locates photos against one database; holds the networks and the index between photos."""

    def __init__(self, database: Database, config: GeonavConfig | None = None) -> None:
        """Load the networks, the index and what the database was indexed with.

        Args:
            database: indexed with ``geonav index global``.
            config: settings; those the database records are taken from it where not set.

        Raises:
            DatabaseError: the database has no origin, is not indexed, or was indexed with other settings.
            WeightsError: weights are missing or broken; NetworkError where they cannot be fetched.
        """
        self.config = with_recorded(config or GeonavConfig(), database)
        self.database = database
        self._frame = database.frame
        self._references = load_features(database, self.config)
        self.place = load_global(database, self.config)
        self._extractor = load_extractor(database, self.config)
        matcher = load_matcher(self.config)
        self._retriever = Retriever(
            database,
            self.config,
            self.place,
            lambda: InlierCounter(database, self._references, matcher, self.config.local.max_side_px, self.config.seed),
            grouped=False,
        )
        section = self.config.localize
        self._matcher = ReferenceMatcher(
            database,
            self._references,
            matcher,
            section,
            self.config.local.max_side_px,
            Mapped(database, self._references) if section.use_map else None,
        )
        self.settings: dict[str, Any] = {
            "database": str(database.path),
            "seed": self.config.seed,
            "local": self._extractor.settings(),
            "global": self.place.descriptor.settings(),
            "matcher": matcher.settings(),
        }
        if section.use_map and (parts := MapStore(database).part_ids()):
            self.settings["map"] = stamp({"parts": parts})
        self.settings |= asked_settings(self.config)

    def locate(  # noqa: PLR0913 - what is known of one photo, and who is told what on the way
        self,
        photo: Picture | PreparedPhoto,
        *,
        camera: Camera | None = None,
        mask: Path | str | None = None,
        camera_source: KSource = "given",
        on_retrieved: Callable[[Retrieved], None] | None = None,
        on_decided: Callable[[QueryPhoto, Decision], None] | None = None,
        on_matched: Callable[[list[ViewMatches]], None] | None = None,
        check: Callable[[], None] = lambda: None,
    ) -> LocalizationResult:
        """Locate one photo.

        Args:
            photo: a file, a picture in memory, or what :meth:`prepare` gave; that has its camera and takes no mask.
            camera: its calibration; EXIF's, else an estimate, if left out.
            mask: picture that is black where the photo must not be looked at.
            camera_source: what the result calls a given calibration.
            on_retrieved: called with all references found, of which not all are matched.
            on_decided: called with the poses found, believed or not, where anything matched.
            on_matched: called with the matches of each posed reference, where anything matched.
            check: called between stages and before each match; what it raises ends the work and comes up.

        Raises:
            ImageError: the photo or the mask cannot be read.
        """
        check()
        if not isinstance(photo, PreparedPhoto):
            watch = Stopwatch()
            with watch.stage("read"):
                query = self.read(photo, camera, camera_source)
                hidden = given_mask(mask, query.photo)
            check()
            with watch.stage("features"):
                features = extract(self._extractor, query.photo, hidden)
            photo = PreparedPhoto(query, features, watch.seconds)
        return self._located(photo, Told(on_retrieved, on_decided, on_matched, check))

    @property
    def places(self) -> Places:
        """Where the references are."""
        return self._retriever.places

    def read(self, photo: Picture, camera: Camera | None = None, camera_source: KSource = "given") -> QueryPhoto:
        """Read a photo for :meth:`prepare`; the first half of :meth:`locate`, and safe beside it in another thread.

        Raises:
            ImageError: it cannot be read, or the camera is of another picture size.
        """
        return read_query(photo, camera, camera_source, self._retriever.least_side_px)

    def prepare(self, photos: Sequence[QueryPhoto]) -> list[PreparedPhoto]:
        """The keypoints of several photos, those of one size by one call where ``local.batch_size`` lets it."""
        watch = Stopwatch()
        with watch.stage("features"):
            found = extract_all(self._extractor, [photo.photo for photo in photos])
        seconds = {"features": round(watch.seconds["features"] / max(len(photos), 1), 4)}
        return [PreparedPhoto(*each, dict(seconds)) for each in zip(photos, found, strict=True)]

    def with_settings(self, search: Mapping[str, Any], top_k: int | None = None) -> Localizer:
        """The same networks, index and references, asked otherwise; costs next to nothing.

        Args:
            search: settings of ``[search]`` to replace: filters, such as ``near`` and ``within_m``.
            top_k: references retrieved for a photo; as before if left out.

        Raises:
            ConfigError: a setting does not fit.
        """
        other = copy.copy(self)
        other.config = replaced(self.config, search, {} if top_k is None else {"top_k": top_k})
        other._retriever = self._retriever.with_settings(other.config.search)
        other._matcher = replace(self._matcher, settings=other.config.localize)
        other.settings = {**self.settings, **asked_settings(other.config)}
        return other

    def _located(self, prepared: PreparedPhoto, told: Told) -> LocalizationResult:
        photo, features, watch = prepared.query, prepared.features, Stopwatch(dict(prepared.seconds))
        told.check()
        if len(features) < _MIN_KEYPOINTS:
            reason = f"only {len(features)} keypoints found: the photo shows too little that could be recognised"
            return self._refused(photo, "not_located", reason, Found({}, 0, MatchedReferences(), watch))
        with watch.stage("retrieval"):
            asked = Asked(photo, self._retriever.describe(photo, features), features)
            # More than are matched for their own sake: neighbours of strong ones, and the photo itself, left out.
            retrieved = self._retriever.retrieve(asked, DEPTH * self.config.localize.top_k + 1)
        told.check()
        if told.on_retrieved is not None:
            told.on_retrieved(retrieved)
        matched = MatchedPhoto(features, photo.photo.size, photo.photo.sha256, told.check)
        query, options = self._query(photo, features), self._options()
        solver = PhotoSolver(query, options, watch, lambda views: self._prepared(query, views, options))
        found = self._matched(matched, retrieved, solver)
        if not found.matches.views:
            reason = retrieved.reason or nothing_matched(found.matches)
            return self._refused(photo, "not_located", reason, found)
        decision = self._decided(solver, matched, found, retrieved.allowed)
        found.around.update(self._retriever.similarities(asked, found.not_hits))
        if told.on_decided is not None:
            told.on_decided(photo, decision)
        if told.on_matched is not None:
            told.on_matched(view_matches(features.keypoints, found.matches.views, decision.solution))
        return self._result(photo, decision, found)

    def _matched(self, photo: MatchedPhoto, retrieved: Retrieved, solver: PhotoSolver) -> Found:
        hits = {hit.uid: hit.similarity for hit in retrieved.hits}
        adjusts = self.config.localize.adjust_references

        def is_settled(views: Sequence[View]) -> bool:
            # References that are adjusted with the photo average their errors: the more, the better.
            return not (adjusts and any(map(is_doubtful, views))) and solver.is_settled(views)

        with solver.watch.stage("matching"):
            matches = self._matcher.match(list(hits), photo, retrieved.matches, is_settled)
        return Found(hits, self.config.localize.top_k, matches, solver.watch, retrieved.notes)

    def _decided(self, solver: PhotoSolver, photo: MatchedPhoto, found: Found, allowed: set[str] | None) -> Decision:
        """The pose, after more references where two places look alike."""

        def now() -> Decision:
            return solver.decide(found.matches.views)

        decision = now()
        if not decision.is_contested:
            return decision
        surroundings = Surroundings(self._retriever.places, self._frame, allowed)
        return Contest(self._matcher, photo, found, surroundings).settled(decision, now)

    def _prepared(self, query: Query, views: Sequence[View], options: DecideOptions) -> list[View]:
        """References as they are solved with: with what a map knows of them, or adjusted where none does."""
        known = with_silent(views)
        return with_adjusted(query, known, options) if self.config.localize.adjust_references else known

    def _options(self) -> DecideOptions:
        section = self.config.localize
        thresholds = Thresholds(min_inliers=section.min_inliers, max_semi_major_m=section.max_uncertainty_m)
        return DecideOptions(SolveOptions(seed=self.config.seed), thresholds)

    def _query(self, photo: QueryPhoto, features: LocalFeatures) -> Query:
        return Query(
            camera=photo.camera,
            pixels=features.keypoints.astype(float),
            noise_px=keypoint_noise_px(photo.photo.size, self.config.local.max_side_px),
            intrinsics_std=photo.intrinsics_std,
            intrinsics_free=not photo.is_calibrated,
            focal_unknown=photo.source == "estimated",
            position_prior=self._gps_prior(photo),
        )

    def _gps_prior(self, photo: QueryPhoto) -> tuple[np.ndarray, np.ndarray] | None:
        """The photo's EXIF position in the database's frame; its height counts for nothing, it has another datum."""
        exif = photo.photo.exif
        if not (self.config.localize.exif_gps and exif.has_position):
            return None
        enu = self._frame.enu_from_geo(exif.lat_deg or 0.0, exif.lng_deg or 0.0, self._frame.origin.alt_m)
        std = exif.gps_error_m or DEFAULT_GPS_STD_M
        return np.asarray(enu, float), np.array([std, std, 1e4])

    def _result(self, photo: QueryPhoto, decision: Decision, found: Found) -> LocalizationResult:
        if decision.solution is None or decision.refusal is not None:
            strongest = max(found.matches.num_matches.values(), default=0)
            status: Status = "retrieved_only" if strongest >= _RETRIEVED_MATCHES else "not_located"
            return self._refused(photo, status, decision.refusal or "no pose", found, decision)
        solution = decision.solution
        pose = pose_of_result(solution, self._frame)
        common = self._common(photo, found, decision)
        has_prior = self._gps_prior(photo) is not None
        common["notes"] = [*common["notes"], *located_notes(photo, decision, has_prior=has_prior)]
        return LocalizationResult(
            status="located",
            alt_datum=self.database.alt_datum,
            K=solution.camera.K.tolist(),
            K_source=photo.source,
            num_inliers=solution.num_inliers,
            **pose,
            **common,
        )

    def _refused(
        self,
        photo: QueryPhoto,
        status: Status,
        reason: str,
        found: Found,
        decision: Decision | None = None,
    ) -> LocalizationResult:
        return LocalizationResult(status=status, reason=reason, **self._common(photo, found, decision))

    def _common(self, photo: QueryPhoto, found: Found, decision: Decision | None) -> dict[str, Any]:
        return {**said_of(photo, found, decision), "settings": self.settings}


def localize(
    photo: Path | str, database: Path | str, config: GeonavConfig | None = None, camera: Camera | None = None
) -> LocalizationResult:
    """Locate one photo against the database in a folder; see :class:`Localizer` for many photos.

    Raises:
        GeonavError: as :class:`Localizer` and :meth:`Localizer.locate`.
    """
    return Localizer(Database.open(Path(database)), config).locate(photo, camera=camera)
