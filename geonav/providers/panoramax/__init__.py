"""The provider ``panoramax``: open street-level pictures of several instances, over a STAC interface."""

from geonav.providers.panoramax.client import Panoramax

__all__ = ["Panoramax"]
