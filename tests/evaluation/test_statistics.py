"""Statistics: published figures, and what independent implementations say."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sktransfer.evaluation import (
    PairedComparison,
    RankComparison,
    compare_bayesian,
    compare_folds,
    compare_predictions,
    compare_ranks,
    score_interval,
)

# Two runs of ten folds, and what baycomp 1.0.3 (by the method's authors) says of them:
# two_on_single(FIRST, SECOND, rope=0.01, runs=2).
FIRST = [
    0.8025, 0.7974, 0.8128, 0.8021, 0.7893, 0.8072, 0.8261, 0.8189, 0.7859, 0.7747,
    0.7875, 0.8008, 0.7535, 0.7956, 0.7751, 0.7854, 0.7891, 0.7937, 0.8082, 0.8209,
]  # fmt: skip
SECOND = [
    0.7874, 0.8173, 0.7767, 0.7970, 0.8081, 0.7919, 0.7751, 0.7716, 0.7808, 0.7944,
    0.7698, 0.7858, 0.7868, 0.8008, 0.7943, 0.7971, 0.7769, 0.7874, 0.8057, 0.8199,
]  # fmt: skip
BAYCOMP = (0.29697453897418025, 0.6472455151349789, 0.0557799458908409)

scores = st.lists(
    st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=12
).map(np.array)  # fmt: skip


def test_the_bayesian_test_is_that_of_its_authors():
    found = compare_bayesian(FIRST, SECOND, test_fraction=1 / 9, rope=0.01)
    probabilities = (found.first_better, found.alike, found.second_better)
    np.testing.assert_allclose(probabilities, BAYCOMP, atol=1e-6)


def test_the_corrected_test_is_a_plain_one_with_a_larger_variance():
    """With no test rows to share it is the paired t-test; the correction stretches its scale."""
    plain = stats.ttest_rel(FIRST, SECOND)
    nearly = compare_folds(FIRST, SECOND, test_fraction=1e-12)
    np.testing.assert_allclose([nearly.statistic, nearly.p_value], plain, rtol=1e-6)
    np.testing.assert_allclose(nearly.interval, plain.confidence_interval(), rtol=1e-6)
    corrected = compare_folds(FIRST, SECOND, test_fraction=1 / 9)
    shrunk = plain.statistic * np.sqrt((1 / 20) / (1 / 20 + 1 / 9))
    np.testing.assert_allclose(corrected.statistic, shrunk, rtol=1e-9)
    np.testing.assert_allclose(corrected.p_value, 2 * stats.t.sf(shrunk, 19), rtol=1e-9)


@pytest.mark.parametrize(
    ("k", "quantile"),
    [(3, 2.343), (4, 2.569), (5, 2.728), (6, 2.850), (7, 2.949), (8, 3.031), (9, 3.102)],
)
def test_critical_differences_are_those_of_demsars_table(k, quantile):
    rng = np.random.default_rng(k)
    found = compare_ranks({str(name): rng.normal(size=14) for name in range(k)})
    expected = quantile * np.sqrt(k * (k + 1) / (6 * 14))
    assert found.critical_difference == pytest.approx(expected, abs=2e-3)


def test_the_published_example_has_a_critical_difference_of_one_and_a_quarter():
    """Demsar (2006), section 3.2.4: four classifiers on fourteen datasets."""
    rng = np.random.default_rng(0)
    found = compare_ranks({name: rng.normal(size=14) for name in "abcd"})
    assert round(found.critical_difference, 2) == 1.25


def test_friedmans_statistic_becomes_iman_and_davenports():
    """Demsar's: a chi-square of 9.28 of four classifiers on fourteen datasets is an F of 3.69."""
    assert round(13 * 9.28 / (14 * 3 - 9.28), 2) == 3.69
    rng = np.random.default_rng(1)
    columns = {
        name: rng.normal(shift, size=14) for name, shift in zip("abcd", range(4), strict=True)
    }
    found = compare_ranks(columns)
    chi_square = stats.friedmanchisquare(*columns.values()).statistic
    expected = 13 * chi_square / (14 * 3 - chi_square)
    np.testing.assert_allclose(
        [found.statistic, found.p_value], [expected, stats.f.sf(expected, 3, 39)]
    )
    assert found.ranks.index[0] == "d"


def test_classifiers_that_do_not_differ_stand_in_one_group():
    rng = np.random.default_rng(0)
    columns = {name: rng.normal(size=30) + mean for name, mean in (("a", 9), ("b", 8.9), ("c", 0))}
    groups = compare_ranks(columns).groups()
    assert [sorted(group) for group in groups] == [["a", "b"], ["c"]]


def test_groups_overlap_and_those_within_another_are_left_out():
    """What differs by the critical difference itself does not differ significantly."""
    ranks = pd.Series({"a": 1.0, "b": 2.0, "c": 2.75, "d": 3.5, "e": 5.75})
    found = RankComparison(ranks, 0.01, 5.0, 10.0, critical_difference=1.0)
    assert found.groups() == [["a", "b"], ["b", "c"], ["c", "d"], ["e"]]


@pytest.mark.filterwarnings("error")
def test_scores_that_are_all_equal_say_nothing():
    found = compare_ranks({"a": [0.5, 0.7], "b": [0.5, 0.7], "c": [0.5, 0.7]})
    assert (found.chi_square, found.statistic, found.p_value) == (0, 0, 1)
    assert found.ranks.tolist() == [2, 2, 2]


def test_ties_are_corrected_for():
    columns = {"a": [1, 1, 2, 1], "b": [1, 1, 1, 2], "c": [0, 0, 1, 1]}
    expected = stats.friedmanchisquare(*columns.values()).statistic
    assert compare_ranks(columns).chi_square == pytest.approx(expected)


def test_ranks_that_nearly_agree_are_not_certain():
    columns = {"a": [5, 5], "b": [4, 4], "c": [3, 3], "d": [2, 1], "e": [1, 2]}
    chi_square = stats.friedmanchisquare(*columns.values()).statistic
    found = compare_ranks(columns)
    assert found.statistic == pytest.approx(chi_square / (2 * 4 - chi_square))
    assert found.p_value == pytest.approx(stats.f.sf(found.statistic, 4, 4))


def test_ranks_that_always_agree_are_certain():
    found = compare_ranks({"a": [3, 3, 3], "b": [2, 2, 2], "c": [1, 1, 1]})
    assert found.p_value == 0
    assert found.statistic == np.inf


def test_mcnemar_counts_what_one_alone_gets_right():
    y = np.zeros(100, int)
    first, second = y.copy(), y.copy()
    first[:5], second[5:20] = 1, 1
    found = compare_predictions(y, first, second)
    assert found.difference == pytest.approx(0.10)
    assert found.p_value == pytest.approx(2 * stats.binom.cdf(5, 20, 0.5))
    assert found.statistic == 15
    assert compare_predictions(y, first, first).p_value == 1


def test_the_interval_of_accuracies_is_that_of_a_mean_of_paired_differences():
    rng = np.random.default_rng(0)
    y, first, second = rng.integers(0, 2, (3, 200))
    gains = (first == y).astype(float) - (second == y)
    low, high = compare_predictions(y, first, second, confidence=0.9).interval
    expected = stats.norm.interval(0.9, gains.mean(), gains.std() / np.sqrt(200))
    np.testing.assert_allclose((low, high), expected)


def test_one_prediction_can_be_compared():
    found = compare_predictions(["a"], ["a"], ["b"])
    assert (found.difference, found.p_value) == (1, 1)


def test_an_interval_of_one_classifier_is_wider_than_a_plain_one():
    low, high = score_interval(FIRST, test_fraction=1 / 9)
    plain = stats.t.interval(0.95, 19, np.mean(FIRST), stats.sem(FIRST))
    assert low < plain[0] < plain[1] < high


@given(scores, st.floats(0.01, 1))
def test_to_exchange_the_classifiers_mirrors_the_answer(pairs, test_fraction):
    one = compare_folds(*pairs.T, test_fraction=test_fraction)
    other = compare_folds(*pairs.T[::-1], test_fraction=test_fraction)
    assert one.difference == pytest.approx(-other.difference)
    assert one.p_value == pytest.approx(other.p_value)
    one, other = (
        compare_bayesian(*ordered, test_fraction=test_fraction)
        for ordered in (pairs.T, pairs.T[::-1])
    )
    assert one.first_better == pytest.approx(other.second_better, abs=1e-9)
    assert one.first_better + one.alike + one.second_better == pytest.approx(1)


def test_answers_are_given_in_words():
    words = str(compare_folds(FIRST, SECOND, test_fraction=1 / 9))
    assert "the first is better by 0.005095" in words
    assert "may well be chance" in words
    assert "differ by less than 0.01" in str(compare_bayesian(FIRST, SECOND, test_fraction=1 / 9))
    assert "mean ranks: a 1" in str(compare_ranks({"a": [3, 3], "b": [2, 2], "c": [1, 1]}))


@pytest.mark.parametrize(
    ("difference", "p_value", "words"),
    [
        (-0.1, 0.04, "the first is worse by 0.1 (95% interval -0.2 to 0.2, p = 0.04): unlikely to"),
        (0.1, 0.06, "the first is better by 0.1 (95% interval -0.2 to 0.2, p = 0.06): it may well"),
        (0.0, 1.0, "the first is as good (95% interval -0.2 to 0.2, p = 1): it may well be chance"),
    ],
)
def test_words_follow_the_sign_and_the_level(difference, p_value, words):
    assert str(PairedComparison(difference, (-0.2, 0.2), p_value, 2.0, 0.95)).startswith(words)


@pytest.mark.parametrize(
    ("difference", "p_value", "statistic"), [(0.25, 0, np.inf), (-0.25, 0, -np.inf), (0, 1, 0)]
)
def test_folds_that_all_differ_by_the_same_leave_no_doubt(difference, p_value, statistic):
    first, second = [0.5 + difference] * 3, [0.5] * 3
    found = compare_folds(first, second, test_fraction=0.25)
    assert (found.p_value, found.statistic) == (p_value, statistic)
    assert found.interval == (difference, difference)


@pytest.mark.parametrize(
    ("difference", "rope", "probabilities"),
    [
        (0.25, 0.125, (1, 0, 0)),
        (0.25, 0.25, (0, 1, 0)),
        (0.25, 0.5, (0, 1, 0)),
        (-0.25, 0.125, (0, 0, 1)),
        (-0.25, 0.25, (0, 1, 0)),
        (0, 0, (0, 1, 0)),
    ],
)
def test_the_region_of_equivalence_holds_its_bounds(difference, rope, probabilities):
    found = compare_bayesian([0.5 + difference] * 3, [0.5] * 3, test_fraction=0.25, rope=rope)
    assert (found.first_better, found.alike, found.second_better) == probabilities


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: compare_folds([1, 2], [1], test_fraction=0.1), "same folds.*shapes"),
        (lambda: compare_folds([1], [1], test_fraction=0.1), "two or more"),
        (lambda: compare_folds([1, np.nan], [1, 2], test_fraction=0.1), "finite"),
        (lambda: compare_folds([1, 2], [2, 1], test_fraction=0), "test_fraction.*got 0"),
        (lambda: compare_folds([1, 2], [2, 1], test_fraction=1, confidence=95), "confidence.*95"),
        (lambda: compare_folds([1, 2], [2, 1], test_fraction=1, confidence=1), "confidence.*got 1"),
        (lambda: compare_folds([[1, 2]] * 2, [[2, 1]] * 2, test_fraction=1), r"shapes \(2, 2\)"),
        (lambda: compare_bayesian([1, 2], [2, 1], test_fraction=1, rope=-1), "rope.*-1"),
        (lambda: compare_bayesian([1, 2], [2, 1], test_fraction=1, rope=np.inf), "rope.*inf"),
        (lambda: compare_bayesian([1, 2], [2, 1], test_fraction=-1), "test_fraction.*got -1"),
        (lambda: compare_predictions([1], [1, 2], [1]), "one shape"),
        (lambda: compare_predictions([[1]], [[1]], [[1]]), "one shape.*1, 1"),
        (lambda: compare_predictions([], [], []), "one shape"),
        (lambda: compare_predictions([1], [1], [1], confidence=1.5), "confidence.*got 1.5"),
        (lambda: compare_ranks({"a": [1, 2], "b": [1, 2]}), "three or more classifiers.*2 on 2"),
        (lambda: compare_ranks({"a": [1], "b": [1], "c": [1]}), "two or more datasets.*3 on 1"),
        (
            lambda: compare_ranks({"a": [1, 2], "b": [2, 1], "c": [3, 3]}, significance=0),
            "significance.*got 0",
        ),
        (lambda: compare_ranks({"a": [1, np.nan], "b": [1, 2], "c": [1, 2]}), "NaN"),
    ],
)
def test_impossible_comparisons_are_refused(act, message):
    with pytest.raises(ValueError, match=message):
        act()
