"""From points to posed reference images: metadata, heights, pictures; each step resumes where it was stopped."""

from __future__ import annotations

from geonav.pipeline.fetching.elevation import fetch_elevation
from geonav.pipeline.fetching.metadata import fetch_metadata
from geonav.pipeline.fetching.panoramas import fetch_panoramas
from geonav.pipeline.fetching.report import FetchOptions, FetchReport

__all__ = ["FetchOptions", "FetchReport", "fetch_elevation", "fetch_metadata", "fetch_panoramas"]
