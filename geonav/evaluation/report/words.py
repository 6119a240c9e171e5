"""Lengths and angles as people say them."""

from __future__ import annotations

# From here on another unit, or one digit less, says as much.
_METRE, _FEW_METRES, _MANY_METRES, _KILOMETRE = 0.995, 3.0, 99.5, 9995.0


def metres(value: float) -> str:
    """A length in the unit that fits it: ``1.9 cm``, ``1.25 m``, ``12 m``."""
    if value < _METRE / 100:
        return f"{1000 * value:.1f} mm"
    if value < _METRE:
        return f"{100 * value:.{1 if value < _METRE / 10 else 0}f} cm"
    if value < _FEW_METRES:
        return f"{value:.2f} m"
    return f"{value:.{1 if value < _MANY_METRES else 0}f} m" if value < _KILOMETRE else f"{value / 1000:.1f} km"


def degrees(value: float) -> str:
    """An angle with as many digits as tell something: ``0.03°``, ``12.5°``."""
    return f"{value:.{2 if value < _METRE else 1}f}°"
