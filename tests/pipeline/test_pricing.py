"""Prices of paid calls."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geonav.errors import UsageError
from geonav.pipeline.pricing import estimate, price, total_usd
from geonav.settings.fetching import PricesConfig

TIERS = ((10_000.0, 0.0), (100_000.0, 7.0), (1e12, 5.6))


@pytest.mark.parametrize(
    ("calls", "used", "cost"),
    [
        (0, 0, 0.0),
        (10_000, 0, 0.0),
        (16_000, 0, 42.0),
        (1_000, 10_000, 7.0),
        (2_000, 9_000, 7.0),
        (1_600_000, 0, 630.0 + 8400.0),
        (1_000, 2_000_000, 5.6),
    ],
)
def test_price_by_tiers(calls: int, used: int, cost: float) -> None:
    assert price(calls, TIERS, used) == pytest.approx(cost)


def test_the_last_price_holds_beyond_its_tier() -> None:
    assert price(3000, ((1000.0, 2.0),)) == pytest.approx(6.0)


@given(first=st.integers(0, 10**7), second=st.integers(0, 10**7))
def test_two_jobs_cost_what_one_of_both_costs(first: int, second: int) -> None:
    split = price(first, TIERS) + price(second, TIERS, used=first)
    assert split == pytest.approx(price(first + second, TIERS))


def test_an_estimate_says_the_date_of_its_prices() -> None:
    found = estimate("street_view", 16_000, PricesConfig(as_of="2025-03"))
    assert found.text == "16,000 paid calls (street_view): USD 42.00 (prices of 2025-03)"
    later = estimate("street_view", 1_000, PricesConfig(), used=10_000)
    assert "after 10,000 earlier this month: USD 7.00" in later.text
    assert total_usd([found, later]) == pytest.approx(49.0)


@pytest.mark.parametrize("sku", ["as_of", "nothing"])
def test_what_has_no_price_is_refused(sku: str) -> None:
    with pytest.raises(UsageError, match="no price"):
        estimate(sku, 1, PricesConfig())
