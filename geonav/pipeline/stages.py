"""The networks and indexes that belong to a database, for those who fill it and for those who ask it.

Asking::

    extractor = load_extractor(database, config)
    features = extractor.extract([pixels])[0]
    place = load_global(database, config)
    hits = place.index.search(place.descriptor.describe(features), k)
    references = load_features(database, config)  # references.read(uid)
    matches = load_matcher(config).match(features, size, references.read(uid), size_of_uid)
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, cast

from geonav.config import GeonavConfig
from geonav.data.database import Database
from geonav.errors import DatabaseError
from geonav.pipeline.global_stage import GlobalStage
from geonav.pipeline.stored import StoredFeatures, differing, with_recorded
from geonav.retrieval.base import VectorIndex
from geonav.vision.base import GlobalDescriptor, LocalExtractor, Matcher
from geonav.vision.registries import EXTRACTORS, MATCHERS, OWN_MATCHERS

logger = logging.getLogger(__name__)


def load_extractor(database: Database, config: GeonavConfig) -> LocalExtractor:
    """The extractor that made the database's features, to make a query's alike.

    Raises:
        DatabaseError: the database has no features of this model, or ``config`` asks for other settings than theirs.
        GeonavError: as :func:`geonav.pipeline.index.index_local`.
    """
    recorded = _recorded_local(database, config)
    extractor = make_extractor(with_recorded(config, database))
    settings = extractor.settings()
    if settings != recorded:
        msg = (
            f"{database.path} was indexed with other settings ({differing(settings, recorded)}): run `geonav index "
            f"local` and `geonav index global`, or leave the setting out"
        )
        raise DatabaseError(msg)
    return extractor


def load_extractor_for_writing(database: Database, config: GeonavConfig) -> LocalExtractor:
    """The extractor of ``config``, whose settings become the database's."""
    extractor = make_extractor(config)
    settings = extractor.settings()
    if database.local_settings(extractor.name) != settings:
        database.set_local_settings(extractor.name, settings)
    return extractor


def load_features(database: Database, config: GeonavConfig) -> StoredFeatures:
    """The database's own local features.

    Raises:
        DatabaseError: the database has none of this model.
    """
    return StoredFeatures(database, _recorded_local(database, config))


def load_matcher(config: GeonavConfig) -> Matcher:
    """The matcher that ``[local]`` of ``config`` names, or the one made for its model.

    Raises:
        UsageError: an unknown matcher or device, or a model it does not fit.
        WeightsError: its weights are missing or broken; NetworkError where they cannot be fetched.
    """
    name = config.local.matcher or OWN_MATCHERS.get(config.local.model, "lightglue")
    return cast("Matcher", MATCHERS.load(name).from_config(config))


@dataclass(frozen=True)
class PlaceSearch:
    """What finds a query's nearest references.

    Attributes:
        descriptor: makes the query's vector, of its features or its pixels as ``descriptor.source`` says.
        index: holds the references' vectors; entries that are gone from the database are left out.
        num_missing: entries of the database that are not in the index.
    """

    descriptor: GlobalDescriptor
    index: VectorIndex
    num_missing: int


def load_global(database: Database, config: GeonavConfig) -> PlaceSearch:
    """The database's global descriptor and index, ready to be asked.

    Raises:
        DatabaseError: not indexed, half indexed, or indexed with other settings; says to run ``geonav index global``.
    """
    stage = GlobalStage.for_reading(database, config, load_features(database, config))
    known = set(database.uids())
    gone = [uid for uid in stage.index.uids if uid not in known]
    stage.index.remove(gone)
    num_missing = len(known) - len(stage.index)
    if gone or num_missing:
        logger.warning(
            "%s: %d entries are gone since and %d are not in the index: run `geonav index global`",
            database.path,
            len(gone),
            num_missing,
        )
    if len(stage.index) == 0:
        msg = f"the index of {database.path} holds no entry: import photos and run `geonav index global`"
        raise DatabaseError(msg)
    return PlaceSearch(stage.asking, stage.index, num_missing)


def make_extractor(config: GeonavConfig) -> LocalExtractor:
    """The extractor of ``config``, whatever the database holds."""
    return cast("LocalExtractor", EXTRACTORS.load(config.local.model).from_config(config))


def _recorded_local(database: Database, config: GeonavConfig) -> dict[str, Any]:
    model = EXTRACTORS.check(config.local.model)
    recorded = database.local_settings(model)
    if recorded is None:
        msg = f"{database.path} has no {model} features: run `geonav index local` and `geonav index global`"
        raise DatabaseError(msg)
    return recorded
