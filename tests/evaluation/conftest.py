"""The tests of evaluation run where no setting of the machine's environment reaches them."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("GEONAV_") and name != "GEONAV_CHROMIUM":
            monkeypatch.delenv(name)
