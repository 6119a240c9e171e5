"""Where the ground's height comes from: one module a source, and the order in which points are asked for."""

from __future__ import annotations

from geonav.providers.heights.order import spatial_order

__all__ = ["spatial_order"]
