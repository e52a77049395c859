"""Schedules: the rates that their papers say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sktransfer.estimators._schedules import SCHEDULES, scheduled_rates


def test_a_constant_rate_needs_no_list():
    assert scheduled_rates("constant", 0.1, 10) is None


def test_cosine_goes_from_the_rate_to_zero():
    rates = scheduled_rates("cosine", 0.2, 4)
    np.testing.assert_allclose(rates, 0.1 * (1 + np.cos(np.pi * np.arange(5) / 4)), atol=1e-15)


def test_a_warm_up_grows_by_equal_steps_to_what_follows():
    np.testing.assert_allclose(
        scheduled_rates("constant", 1.0, 5, n_warmup=3), [0.25, 0.5, 0.75, 1, 1, 1]
    )
    rates = scheduled_rates("cosine", 1.0, 5, n_warmup=3)
    np.testing.assert_allclose(rates, [0.25, 0.5, 0.75, 1, 0.5, 0], atol=1e-15)


def test_one_cycle_rises_for_three_tenths_and_falls_to_nearly_nothing():
    """The values of torch.optim.lr_scheduler.OneCycleLR(max_lr=1) at its ends and its peak."""
    rates = scheduled_rates("one_cycle", 1.0, 100)
    assert rates.argmax() == 30
    np.testing.assert_allclose(rates[[0, 15, 30, 100]], [0.04, 0.52, 1, 4e-6])


@given(
    st.sampled_from(SCHEDULES),
    st.floats(1e-6, 10),
    st.integers(1, 300),
    st.integers(0, 400),
)
def test_every_step_has_a_rate_that_brings_on_the_next(schedule, rate, n_steps, n_warmup):
    rates = scheduled_rates(schedule, rate, n_steps, n_warmup)
    if rates is None:
        assert schedule == "constant"
        return
    assert rates.shape == (n_steps + 1,)
    assert (rates[:-1] > 0).all()  # the next rate is a multiple of the one before
    assert rates.max() <= rate * (1 + 1e-9)


@pytest.mark.parametrize("schedule", ["cosine", "one_cycle"])
def test_a_single_step_has_its_rate(schedule):
    assert scheduled_rates(schedule, 0.1, 1)[0] > 0
