"""The source ``geotiff``: a raster of heights on disk, such as a tile of the Copernicus DEM."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from geonav.config import GeonavConfig
from geonav.errors import InputError, UsageError

if TYPE_CHECKING:
    from rasterio.io import DatasetReader

# Points whose common window is larger are read in two halves.
_MAX_WINDOW_PX = 4_000_000


class GeotiffHeights:
    """Interpolates between the middles of a raster's cells, in the raster's own coordinates."""

    name: str = "geotiff"
    paid_as: str | None = None
    batch_size: int = 4096

    def __init__(self, path: Path, datum: str) -> None:
        """``path`` holds heights above the zero of ``datum`` in its first band.

        Raises:
            UsageError: the library that reads it is not installed.
            InputError: the file is missing, no raster, or does not say where it lies.
        """
        self.datum = datum
        self._path = path
        # Looked at once, so that a wrong file is refused before anything is fetched.
        with self._opened() as raster:
            if raster.crs is None:
                msg = f"{self._path} does not say where it lies: give it coordinates, as gdal_edit.py -a_srs does"
                raise InputError(msg)

    @classmethod
    def from_config(cls, config: GeonavConfig) -> Self:
        """The source as configured.

        Raises:
            UsageError: no file is set, or the library that reads it is not installed.
            InputError: the file is missing, no raster, or does not say where it lies.
        """
        if config.elevation.geotiff is None:
            msg = "the elevation source 'geotiff' needs a file: set geotiff under [elevation]"
            raise UsageError(msg)
        return cls(config.elevation.geotiff, config.elevation.datum)

    def heights(self, points: Sequence[tuple[float, float]]) -> list[float | None]:
        """Heights above the configured datum, by index; None outside the raster and where it has none.

        Raises:
            InputError: the file can no longer be read.
        """
        if not points:
            return []
        # Opened anew: an open raster may not be read by several threads.
        with self._opened() as raster:
            rows_cols = _places(raster, np.asarray(points, np.float64))
            inside = np.all((rows_cols >= -0.5) & (rows_cols <= np.array(raster.shape) - 0.5), axis=1)
            found = np.full(len(points), np.nan)
            if inside.any():
                found[inside] = _interpolated(raster, rows_cols[inside])
                found = found * raster.scales[0] + raster.offsets[0]
        return [float(height) if np.isfinite(height) else None for height in found]

    @contextmanager
    def _opened(self) -> Iterator[DatasetReader]:
        try:
            import rasterio
            from rasterio.errors import RasterioError
        except ImportError as error:
            msg = "heights from a GeoTIFF need rasterio: pip install 'geonav[dem]'"
            raise UsageError(msg) from error
        try:
            with rasterio.open(self._path) as raster:
                yield raster
        except RasterioError as error:
            msg = f"{self._path} cannot be read as a raster of heights: {' '.join(str(error).split())[:160]}"
            raise InputError(msg) from error


def _places(raster: DatasetReader, lat_lng: NDArray[np.float64]) -> NDArray[np.float64]:
    """Row and column of each point, (N, 2), whole numbers in the middle of a cell; infinite where there is none."""
    from rasterio.warp import transform

    xs, ys = transform("EPSG:4326", raster.crs, lat_lng[:, 1].tolist(), lat_lng[:, 0].tolist())
    inverse = ~raster.transform
    cols = inverse.a * np.asarray(xs) + inverse.b * np.asarray(ys) + inverse.c
    rows = inverse.d * np.asarray(xs) + inverse.e * np.asarray(ys) + inverse.f
    return np.stack([rows, cols], axis=1) - 0.5


def _interpolated(raster: DatasetReader, rows_cols: NDArray[np.float64]) -> NDArray[np.float64]:
    """Heights at places inside the raster, NaN where the nearest cell has none; (N,)."""
    last = np.array(raster.shape) - 1
    low = np.clip(np.floor(rows_cols), 0, last).astype(np.int64)
    first, end = low.min(axis=0), np.minimum(low.max(axis=0) + 1, last) + 1
    if np.prod(end - first) > _MAX_WINDOW_PX and len(rows_cols) > 1:
        half = len(rows_cols) // 2
        return np.concatenate([_interpolated(raster, rows_cols[:half]), _interpolated(raster, rows_cols[half:])])
    cells = _cells(raster, first, end)
    along = np.clip(rows_cols, 0, last) - low
    total, weights = np.zeros(len(low)), np.zeros(len(low))
    for step in ((0, 0), (0, 1), (1, 0), (1, 1)):
        row, col = np.minimum(low + step, last).T - first[:, None]
        weight = np.prod(np.where(np.array(step) == 1, along, 1.0 - along), axis=1)
        known = np.isfinite(cells[row, col])
        total += np.where(known, weight * cells[row, col], 0.0)
        weights += np.where(known, weight, 0.0)
    # The gaps of a raster keep their outline: a place belongs to its nearest cell.
    nearest = np.clip(np.rint(rows_cols), 0, last).astype(np.int64).T - first[:, None]
    known = np.isfinite(cells[nearest[0], nearest[1]])
    return np.where(known & (weights > 0.0), total / np.where(weights > 0.0, weights, 1.0), np.nan)


def _cells(raster: DatasetReader, first: NDArray[Any], end: NDArray[Any]) -> NDArray[np.float64]:
    """A window of the first band; NaN where it holds no height."""
    from rasterio.windows import Window

    window = Window(int(first[1]), int(first[0]), int(end[1] - first[1]), int(end[0] - first[0]))
    cells: NDArray[np.float64] = raster.read(1, window=window, masked=True).astype(np.float64).filled(np.nan)
    return cells
