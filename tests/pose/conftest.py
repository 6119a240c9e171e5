"""Fixtures of the pose tests."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bound what RANSAC over pairs of rays draws: 20,000 draws of that solver take half a minute."""
    import pycolmap

    options = pycolmap.RANSACOptions

    def bounded(**settings: Any) -> Any:
        most = min(300, settings.get("max_num_trials", 300))
        return options(**{**settings, "max_num_trials": most, "min_num_trials": 50})

    monkeypatch.setattr(pycolmap, "RANSACOptions", bounded)
