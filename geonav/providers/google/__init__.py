"""Google Street View Static: ``request`` builds addresses, ``parse`` reads answers, ``client`` does both."""

from __future__ import annotations

from geonav.providers.google.client import GoogleStreetView

__all__ = ["GoogleStreetView"]
