"""A short fingerprint of settings, stored beside what they made."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

_LENGTH = 16


def stamp(settings: Mapping[str, object]) -> str:
    """Sixteen hexadecimal digits that change whenever ``settings`` do.

    The order of the keys does not matter; everything in ``settings`` must be JSON.
    """
    canonical = json.dumps(settings, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:_LENGTH]
