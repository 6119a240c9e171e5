"""Results as one GeoJSON file."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from geonav.data.files import atomic_write_bytes
from geonav.data.geojson import feature_collection
from geonav.data.results import LocalizationResult


def write_geojson(path: Path | str, results: Iterable[LocalizationResult]) -> None:
    """Write a FeatureCollection of one Feature a result; :func:`geonav.data.geojson.feature` says what is in it.

    Raises:
        StorageError: the file cannot be written.
    """
    text = json.dumps(feature_collection(results), separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    atomic_write_bytes(Path(path), (text + "\n").encode())
