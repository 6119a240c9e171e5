"""Heights taken from one vertical datum to another, exactly or not at all."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from geonav.errors import UsageError

if TYPE_CHECKING:
    from pyproj import Transformer

_CRS = {"wgs84": "EPSG:4979", "egm96": "EPSG:4326+5773", "egm2008": "EPSG:4326+3855"}
_GRIDS = {"egm96": "us_nga_egm96_15", "egm2008": "us_nga_egm08_25"}


def converted_height_m(height_m: float, place: tuple[float, float], datums: tuple[str, str]) -> float:
    """A height at (lat, lng) taken from the first datum to the second.

    Raises:
        UsageError: it cannot be converted, as a geoid's grid is not installed or a datum is local.
    """
    old, new = datums
    if old == new:
        return height_m
    lat, lng = place
    value = float(_transformer(old, new).transform(lng, lat, height_m)[2])
    if not np.isfinite(value):
        raise UsageError(_refusal(old, new))
    return value


def check_convertible(old: str, new: str) -> None:
    """Find out, before anything is asked for, whether heights can be converted.

    Raises:
        UsageError: they cannot.
    """
    if old != new:
        _transformer(old, new)


@lru_cache(maxsize=16)
def _transformer(old: str, new: str) -> Transformer:
    from pyproj import Transformer
    from pyproj.exceptions import ProjError

    if old not in _CRS or new not in _CRS:
        raise UsageError(_refusal(old, new))
    try:
        # Without the geoid's grid PROJ would otherwise hand the height back unchanged.
        return Transformer.from_crs(_CRS[old], _CRS[new], always_xy=True, allow_ballpark=False)
    except ProjError as error:
        raise UsageError(_refusal(old, new)) from error


def _refusal(old: str, new: str) -> str:
    grids = " ".join(_GRIDS[datum] for datum in (old, new) if datum in _GRIDS)
    how = (
        f"install PROJ's grid ('pyproj sync --file {grids}')" if "local" not in {old, new} else "convert them yourself"
    )
    return (
        f"heights in {old} cannot be taken to the database's {new}: {how}, or choose an --elevation-source in {new},"
        " or fetch into another database"
    )
