"""The database that is fetched into, and the sources that its settings name."""

from __future__ import annotations

from pathlib import Path

from geonav.config import GeonavConfig
from geonav.data.database import OWN_FOLDER, Database
from geonav.errors import DatabaseError, UsageError
from geonav.geometry.geodesy import GeoPoint
from geonav.providers.base import HeightSource, Provider
from geonav.providers.registry import HEIGHT_SOURCES, PROVIDERS


def provider_of(config: GeonavConfig) -> Provider:
    """The provider that is configured.

    Raises:
        UsageError: there is none of that name, or it needs settings.
        AuthError: its key is missing.
    """
    made: Provider = PROVIDERS.load(config.fetch.provider).from_config(config)
    return made


def height_source_of(config: GeonavConfig) -> HeightSource:
    """The source of heights that is configured.

    Raises:
        UsageError: it needs settings.
        AuthError: its key is missing.
    """
    made: HeightSource = HEIGHT_SOURCES.load(config.elevation.source).from_config(config)
    return made


def height_datum(config: GeonavConfig) -> str:
    """What the heights of the configured source refer to; needs no key."""
    datum = getattr(HEIGHT_SOURCES.load(config.elevation.source), "datum", None)
    return datum if isinstance(datum, str) else config.elevation.datum


def open_or_create(path: Path | str, center: tuple[float, float], config: GeonavConfig) -> Database:
    """The database at ``path``; a new one has its origin at ``center`` and heights as the configured source has them.

    Raises:
        DatabaseError: something else is there.
        StorageError: it cannot be written.
    """
    folder = Path(path)
    origin = GeoPoint(center[0], center[1], 0.0)
    is_made = (folder / OWN_FOLDER / "database.json").exists()
    # A run that was killed while it made the database leaves nothing but its own folder.
    is_new = not folder.exists() or (folder.is_dir() and all(item.name == OWN_FOLDER for item in folder.iterdir()))
    if is_new and not is_made:
        try:
            return Database.create(folder, origin, height_datum(config))
        except DatabaseError:  # another share was faster
            return Database.open(folder)
    database = Database.open(folder)
    if database.origin is None:
        database.set_origin(origin, database.alt_datum)
    return database


def check_max_cost(cost_usd: float, config: GeonavConfig) -> None:
    """Stop before paid calls that cost more than is allowed.

    Raises:
        UsageError: they do.
    """
    limit = config.fetch.max_cost_usd
    if limit is not None and cost_usd > limit:
        msg = f"this would cost USD {cost_usd:,.2f}, more than the USD {limit:,.2f} allowed: raise --max-cost"
        raise UsageError(msg)
