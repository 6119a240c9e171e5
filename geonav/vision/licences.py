"""Licences that ask something of the user, who therefore has to know them."""

from __future__ import annotations

from geonav.config import GeonavConfig
from geonav.errors import UsageError

# SuperPoint and SuperGlue: for research alone.
MAGIC_LEAP = "LicenseRef-MagicLeap-NonCommercial"


def require_accepted(licence: str, name: str, config: GeonavConfig) -> None:
    """Go on only if ``[weights] accepted_licences`` holds ``licence``.

    Raises:
        UsageError: it does not; the message says what to write.
    """
    if licence not in config.weights.accepted_licences:
        msg = (
            f"{name} is under {licence}: read that licence and, if you may, set [weights] accepted_licences = "
            f'["{licence}"] in geonav.toml'
        )
        raise UsageError(msg)
