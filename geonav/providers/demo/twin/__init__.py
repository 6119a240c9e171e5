"""The local twin: an HTTP server that speaks the services' documented interfaces over a demo city.

city.py         what the twin asks of a city
wire.py         calls, replies and routes
access.py       keys, tokens and signatures
street_view.py  Google Street View Static: image and metadata
spheres.py      equirectangular pictures, each rendered once
pictures.py     what the image service answers where it has no image
elevation.py    Google Elevation, and Open-Meteo's
nominatim.py    the geocoder of OpenStreetMap
overpass.py     its streets
mapillary.py    Mapillary v4: images and their fields
tiles.py        its vector tiles
panoramax.py    Panoramax: STAC
faults.py       what goes wrong on request
calls.py        what was asked and what would have been paid
server.py       Twin: all of it behind one address
"""

from geonav.providers.demo.twin.access import Access
from geonav.providers.demo.twin.faults import FaultKind, Faults
from geonav.providers.demo.twin.server import Twin

__all__ = ["Access", "FaultKind", "Faults", "Twin"]
