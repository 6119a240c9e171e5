"""The provider ``mapillary``: API v4, with the poses that Mapillary's structure from motion computed."""

from geonav.providers.mapillary.client import Mapillary

__all__ = ["Mapillary"]
