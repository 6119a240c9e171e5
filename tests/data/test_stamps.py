"""A stamp changes with the settings and with nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from geonav.data.stamps import stamp


def test_order_of_keys_does_not_matter() -> None:
    assert stamp({"a": 1, "b": {"c": 2, "d": 3}}) == stamp({"b": {"d": 3, "c": 2}, "a": 1})


@pytest.mark.parametrize("other", [{"a": 2}, {"a": 1, "b": 1}, {"a": "1"}, {"A": 1}, {"a": 1.5}, {"a": None}, {}])
def test_any_change_changes_it(other: Any) -> None:
    assert stamp(other) != stamp({"a": 1})


def test_it_is_the_same_in_every_process() -> None:
    # Worked out by hand: sha256 of {"a":1}; stored databases depend on it.
    assert stamp({"a": 1}) == "015abd7f5cc57a2d"
