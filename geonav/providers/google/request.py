"""Addresses of Street View Static; pure.

Source: the reference pages of the Street View Static API (request, metadata, digital signature).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import math
from urllib.parse import urlencode

from geonav.data.survey import SearchQuery, ViewSpec
from geonav.errors import AuthError, UsageError
from geonav.providers.google.credentials import Credentials

IMAGE_PATH = "/maps/api/streetview"
METADATA_PATH = "/maps/api/streetview/metadata"
MAX_SIDE_PX = 640
MAX_FOV_DEG = 120.0
# Leaves out indoor panoramas and the spheres of users, whose poses nobody vouches for.
_SOURCE = "outdoor"


def metadata_request(query: SearchQuery) -> dict[str, str]:
    """Parameters of the call for the panorama nearest to the middle of ``query``."""
    radius_m = math.ceil(query.radius_m or 0.0)
    return {"location": location(query.lat, query.lng), "radius": str(radius_m), "source": _SOURCE}


def image_request(pano_id: str, view: ViewSpec) -> dict[str, str]:
    """Parameters of the call for one view of a panorama.

    By the panorama's name and not by place, so that the picture is of the position that was stored; always with a
    heading, since without one Google chooses; with an error instead of a grey picture where there is nothing.

    Raises:
        UsageError: a view that Google would silently change: larger than 640 pixels, wider than 120 degrees.
    """
    check_view(view)
    return {
        "pano": pano_id,
        "size": f"{view.width}x{view.height}",
        "fov": _number(view.fov_deg),
        "heading": _number(view.azimuth_deg % 360.0),
        "pitch": _number(view.pitch_deg),
        "source": _SOURCE,
        "return_error_code": "true",
    }


def check_view(view: ViewSpec) -> None:
    """Refuse a view that Google would silently change.

    Raises:
        UsageError: larger than 640 pixels, wider than 120 degrees, or pitched past straight up or down.
    """
    if max(view.width, view.height) > MAX_SIDE_PX or min(view.width, view.height) < 1:
        msg = f"Google cuts views of at most {MAX_SIDE_PX} pixels a side, not {view.width}x{view.height}: lower --size"
        raise UsageError(msg)
    if not 0.0 < view.fov_deg <= MAX_FOV_DEG:
        msg = f"Google cuts views of at most {MAX_FOV_DEG:g} degrees, not {view.fov_deg:g}: lower --fov"
        raise UsageError(msg)
    if not -90.0 <= view.pitch_deg <= 90.0:
        msg = f"a view's pitch lies between -90 and 90 degrees, not {view.pitch_deg:g}: correct --pitch"
        raise UsageError(msg)


def location(lat: float, lng: float) -> str:
    """A place as Google reads it, to a centimetre."""
    # Adding 0 takes the sign off a zero: one place has one spelling.
    return f"{round(lat, 7) + 0.0:.7f},{round(lng, 7) + 0.0:.7f}"


def address(path: str, parameters: dict[str, str], credentials: Credentials) -> str:
    """Path and query with the key and, where there is a secret, the signature.

    Raises:
        AuthError: the signing secret is no URL-safe base64.
    """
    keyed = f"{path}?{urlencode({**parameters, 'key': credentials.key.get_secret_value()})}"
    if credentials.signing_secret is None:
        return keyed
    return f"{keyed}&signature={signature(credentials.signing_secret.get_secret_value(), keyed)}"


def signature(secret: str, path_and_query: str) -> str:
    """What signs an address without its host: HMAC-SHA1 under the decoded secret, in URL-safe base64.

    Raises:
        AuthError: the secret is no URL-safe base64.
    """
    secret = secret.strip()
    try:
        # Strict: the lenient decoder drops what it does not know and signs with another secret.
        decoded = base64.b64decode(secret + "=" * (-len(secret) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        msg = "GOOGLE_MAPS_SIGNING_SECRET is no URL-safe base64: copy it again from the cloud console"
    else:
        return base64.urlsafe_b64encode(hmac.new(decoded, path_and_query.encode(), hashlib.sha1).digest()).decode()
    raise AuthError(msg)


def _number(value: float) -> str:
    """At most 6 decimals, no exponent, no trailing zeros, no minus before a zero."""
    return f"{round(value, 6) + 0.0:.6f}".rstrip("0").rstrip(".")
