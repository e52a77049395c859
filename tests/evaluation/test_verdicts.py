from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from sktransfer.evaluation import (
    RESULT_COLUMNS,
    compare_bayesian,
    compare_factors,
    compare_folds,
    compare_predictions,
    compare_ranks,
    compare_systems,
    read_results,
)
from sktransfer.evaluation._record import Cell
from sktransfer.evaluation.verdicts._evidence import Evidence
from sktransfer.evaluation.verdicts._image_statistics import compare_images
from sktransfer.evaluation.verdicts._verdicts import _holm
from sktransfer.evaluation.verdicts._wording import level_of

KNN = [80.0, 82.0, 81.0, 79.0, 80.0]
FINETUNE = [88.0, 91.0, 90.0, 87.0, 88.0]


def cells(strategy, accuracies, backbone="", dataset="pets", **more):
    return [
        {
            "dataset": dataset,
            "strategy": strategy,
            "backbone": backbone,
            "train_size": 0,
            "repeat": number // 5,
            "fold": number % 5,
            "train_images": 320,
            "validation_images": 80,
            "test_images": 100,
            "test_accuracy": accuracy,
            "error": "",
            **more,
        }
        for number, accuracy in enumerate(accuracies)
    ]


def table_of(*rows):
    return pd.DataFrame(list(itertools.chain(*rows)), columns=RESULT_COLUMNS)


def only(comparisons):
    (row,) = comparisons.to_dict("records")
    return row


def between(comparisons, first, second):
    return only(comparisons[(comparisons["first"] == first) & (comparisons["second"] == second)])


def test_folds_are_compared_by_the_corrected_tests():
    row = only(compare_systems(table_of(cells("knn", KNN), cells("finetune", FINETUNE)), rope=2))
    expected = compare_folds(FINETUNE, KNN, test_fraction=100 / 400)
    bayesian = compare_bayesian(FINETUNE, KNN, test_fraction=100 / 400, rope=2)
    assert (row["first"], row["second"], row["pairs"]) == ("finetune", "knn", 5)
    assert row["test"] == "corrected t-test"
    assert row["difference"] == pytest.approx(expected.difference)
    assert (row["low"], row["high"]) == pytest.approx(expected.interval)
    assert row["p_value"] == row["p_adjusted"] == pytest.approx(expected.p_value)
    assert row["first_better"] == pytest.approx(bayesian.first_better)
    assert row["alike"] == pytest.approx(bayesian.alike)
    assert row["second_better"] == pytest.approx(bayesian.second_better)
    low, high = expected.interval
    assert row["sentence"] == (
        f"finetune beats knn by {expected.difference:.1f} points "
        f"(95 % interval {low:.1f} to {high:.1f}): surely better."
    )


def test_a_table_may_come_from_a_file(tmp_path):
    table = table_of(cells("knn", KNN), cells("finetune", FINETUNE))
    table.to_csv(tmp_path / "results.csv", index=False)
    read = pd.read_csv(tmp_path / "results.csv")  # its texts are all missing, and so no texts
    assert read["backbone"].isna().all() and read["error"].isna().all()
    pd.testing.assert_frame_equal(compare_systems(read), compare_systems(table))


def test_pairs_are_those_of_the_same_repeat_and_fold():
    first = cells("knn", [70.0, 75.0, 80.0, 85.0, 90.0, 60.0, 65.0])
    second = cells("cnn", [69.0, 74.5, 79.0, 84.5, 89.0, 59.0, 64.5])
    expected = only(compare_systems(table_of(first, second)))
    assert expected["difference"] == pytest.approx(5.5 / 7)
    shuffled = table_of(first, second).sample(frac=1, random_state=0)
    pd.testing.assert_frame_equal(compare_systems(shuffled), pd.DataFrame([expected]))
    unfinished = only(compare_systems(table_of(first, second[:2] + second[3:5])))
    assert unfinished["pairs"] == 4
    expected = compare_folds([70.0, 75.0, 85.0, 90.0], [69.0, 74.5, 84.5, 89.0], test_fraction=0.25)
    assert unfinished["p_value"] == pytest.approx(expected.p_value)


def test_one_test_set_is_compared_by_mcnemar(make_run):
    record = make_run({("features", "vgg16"): 0.95, ("knn", "vgg16"): 0.7}, n_test=100)
    row = only(compare_systems(record.folder))
    read = [record.predictions(Cell("pets", name, "vgg16")) for name in ("features", "knn")]
    expected = compare_predictions(read[0]["true"], *(one["proba"].argmax(axis=1) for one in read))
    assert (row["first"], row["test"], row["pairs"]) == ("features-vgg16", "McNemar's test", 1)
    assert row["p_value"] == pytest.approx(expected.p_value)
    assert row["difference"] == pytest.approx(100 * expected.difference)
    assert (row["low"], row["high"]) == pytest.approx([100 * end for end in expected.interval])
    assert row["first_better"] + row["alike"] + row["second_better"] == pytest.approx(1)
    assert "features-vgg16 beats knn-vgg16" in row["sentence"]


def test_without_labels_or_predictions_a_single_cell_is_not_tested(make_run):
    record = make_run({("features", ""): 0.95, ("knn", ""): 0.7}, with_labels=False)
    for results in (record.folder, read_results(record.folder)):
        row = only(compare_systems(results))
        assert (row["test"], row["level"]) == ("", "not tested")
        assert math.isnan(row["p_value"]) and math.isnan(row["low"])
        assert row["sentence"].endswith("points: not tested, so it may be chance.")


def test_repeats_on_one_test_set_are_compared_over_images(make_run):
    record = make_run({("features", ""): 0.9, ("knn", ""): 0.8}, n_repeats=4, n_test=80)
    row = only(compare_systems(record.folder))
    gains = []
    for repeat in range(4):
        right = []
        for strategy in ("features", "knn"):
            stored = record.predictions(Cell("pets", strategy, repeat=repeat))
            right.append(stored["proba"].argmax(axis=1) == stored["true"])
        gains.append([100.0 * one - 100.0 * other for one, other in zip(*right, strict=True)])
    expected, _ = compare_images(np.array(gains), rope=1, confidence=0.95)
    assert (row["test"], row["pairs"]) == ("t-test over images", 4)
    assert row["p_value"] == pytest.approx(expected.p_value)
    # Without the predictions, repeats are all that is known.
    assert only(compare_systems(read_results(record.folder)))["test"] == "corrected t-test"


def test_images_of_a_single_repeat_are_a_plain_t_test():
    differences = np.random.default_rng(0).integers(-1, 3, (1, 50)).astype(float)
    paired, bayesian = compare_images(differences, rope=0.1, confidence=0.9)
    expected = stats.ttest_1samp(differences[0], 0)
    assert paired.p_value == pytest.approx(expected.pvalue)
    assert paired.statistic == pytest.approx(expected.statistic)
    assert paired.interval == pytest.approx(tuple(expected.confidence_interval(0.9)))
    posterior = stats.t(49, loc=differences.mean(), scale=stats.sem(differences[0]))
    assert bayesian.first_better == pytest.approx(posterior.sf(0.1))
    assert bayesian.second_better == pytest.approx(posterior.cdf(-0.1))


@pytest.mark.parametrize(
    ("of_images", "of_repeats", "of_both"), [(1, 0, 1), (0, 1, 1), (1, 1, 0.1)]
)
def test_intervals_over_images_hold_the_truth(of_images, of_repeats, of_both):
    rng = np.random.default_rng(0)
    n_repeats, n_images, n_trials, held = 5, 40, 400, 0
    for _ in range(n_trials):
        differences = (
            of_images * rng.normal(size=n_images)
            + of_repeats * rng.normal(size=(n_repeats, 1))
            + of_both * rng.normal(size=(n_repeats, n_images))
        )
        low, high = compare_images(differences, rope=0, confidence=0.9)[0].interval
        held += low <= 0 <= high
    assert held / n_trials >= 0.9 - 3 * math.sqrt(0.9 * 0.1 / n_trials)


def test_datasets_are_compared_by_ranks():
    rng = np.random.default_rng(0)
    datasets = [f"data{number}" for number in range(6)]
    means = {"cnn": 60, "features": 90, "knn": 80}
    scores = {name: mean + rng.normal(0, 4, (6, 5)) for name, mean in means.items()}
    table = table_of(
        *(
            cells(name, scores[name][number], dataset=dataset)
            for number, dataset in enumerate(datasets)
            for name in means
        ),
        cells("finetune", FINETUNE, dataset="data0"),  # not on all datasets, and so not ranked
    )
    comparisons = compare_systems(table)
    ranked = comparisons[comparisons["dataset"] == ""]
    expected = compare_ranks({name: values.mean(axis=1) for name, values in scores.items()})
    assert expected.p_value < 0.05
    assert ranked[["first", "second"]].to_numpy().tolist() == [
        ["features", "knn"],
        ["features", "cnn"],
        ["knn", "cnn"],
    ]
    assert ranked["pairs"].tolist() == [6, 6, 6]
    for _, row in ranked.iterrows():
        gap = expected.ranks[row["second"]] - expected.ranks[row["first"]]
        is_significant = gap > expected.critical_difference
        assert (row["p_value"] < 0.05) == is_significant
        assert row["level"] == ("surely better" if is_significant else "within chance")
    sentence = between(ranked, "features", "cnn")["sentence"]
    assert sentence.startswith("Over 6 datasets features has the mean rank 1.00, cnn 3.00")


def test_ranks_are_those_of_the_same_folds():
    easy_then_hard = {"a": [90.0, 50.0], "b": [88.0, 48.0], "c": [86.0, 46.0]}
    table = table_of(
        *(
            cells(name, scores, dataset=dataset)
            for dataset in ("x", "y")
            for name, scores in easy_then_hard.items()
        )
    )
    table.loc[(table["strategy"] == "c") & (table["fold"] == 1), "error"] = "MemoryError"
    comparisons = compare_systems(table)
    row = between(comparisons[comparisons["dataset"] == ""], "a", "c")
    assert "a has the mean rank 1.00, c 3.00" in row["sentence"]
    assert row["difference"] == 4


def test_nemenyi_is_at_its_level_at_the_critical_difference():
    ranks = pd.Series({"a": 1.0, "b": 2.0, "c": 3.0})
    found = compare_ranks({name: [-rank, -rank, -rank] for name, rank in ranks.items()})
    unit = np.sqrt(3 * 4 / (6 * 3)) / np.sqrt(2)
    p_value = stats.studentized_range.sf(found.critical_difference / unit, 3, np.inf)
    assert p_value == pytest.approx(0.05)
    table = table_of(
        *(
            cells(name, [90 - 10 * rank] * 2, dataset=dataset)
            for name, rank in ranks.items()
            for dataset in ("x", "y", "z")
        )
    )
    comparisons = compare_systems(table)
    row = between(comparisons[comparisons["dataset"] == ""], "a", "c")
    assert row["p_value"] == pytest.approx(stats.studentized_range.sf(2 / unit, 3, np.inf))


def holm_by_hand(p_values):
    adjusted, largest = {}, 0.0
    for place, p_value in enumerate(sorted(p_values)):
        largest = max(largest, min(1.0, (len(p_values) - place) * p_value))
        adjusted[p_value] = largest
    return [adjusted[p_value] for p_value in p_values]


def test_p_values_are_adjusted_for_all_pairs_of_a_table():
    p_values = [0.04, 0.001, 0.03, 0.2, 0.011]
    np.testing.assert_allclose(_holm(np.array(p_values)), holm_by_hand(p_values))
    with_gap = _holm(np.array([0.04, np.nan, 0.001]))
    np.testing.assert_allclose(with_gap, [0.04, np.nan, 0.002])
    scores = {"knn": KNN, "finetune": FINETUNE, "cnn": [79.0, 83.0, 80.0, 79.5, 80.0]}
    comparisons = compare_systems(table_of(*(cells(*item) for item in scores.items())))
    expected = holm_by_hand(comparisons["p_value"].tolist())
    np.testing.assert_allclose(comparisons["p_adjusted"], expected)


@pytest.mark.parametrize(
    ("gains", "rope", "level"),
    [
        ([3.0, 3.5, 3.2, 3.1, 3.3], 1.0, "surely better"),
        ([0.1, 0.2, 0.15, 0.1, 0.2], 1.0, "practically the same"),
        ([0.1, 0.2, 0.15, 0.1, 0.2], 0.0, "surely better"),
        ([4.0, -3.0, 2.0, -1.0, 1.0], 1.0, "within chance"),
        ([2.0, 2.0, 2.0, 2.0, 2.0], 1.0, "not tested"),  # no spread tells of no chance
    ],
)
def test_levels(gains, rope, level):
    better = [score + gain for score, gain in zip(KNN, gains, strict=True)]
    row = only(compare_systems(table_of(cells("knn", KNN), cells("cnn", better)), rope=rope))
    assert row["level"] == level
    assert level in row["sentence"]
    assert (row["low"] == row["low"]) == (level != "not tested")


def test_of_many_comparisons_a_small_p_value_is_only_probable():
    rng = np.random.default_rng(0)
    others = {f"s{number}": np.array(KNN) + rng.normal(0, 4, 5) for number in range(6)}
    a_bit_better = np.add(KNN, [2.5, 1.0, 2.5, 1.5, 1.2])
    two = table_of(cells("knn", KNN), cells("cnn", a_bit_better))
    many = table_of(
        cells("knn", KNN), cells("cnn", a_bit_better), *(cells(*item) for item in others.items())
    )
    assert between(compare_systems(two), "cnn", "knn")["level"] == "surely better"
    assert between(compare_systems(many), "cnn", "knn")["level"] == "probably better"


def test_what_lies_within_the_region_to_its_ends_is_the_same():
    evidence = Evidence(0.0, low=-1.0, high=1.0, p_value=0.5, test="t-test")
    assert level_of(evidence, 0.5, rope=1.0, confidence=0.95) == "practically the same"
    assert level_of(evidence, 0.5, rope=0.9, confidence=0.95) == "within chance"


@pytest.mark.parametrize(
    ("gain", "chances"), [(0.0, (0, 1, 0)), (0.5, (0, 1, 0)), (2.0, (1, 0, 0)), (-2.0, (0, 0, 1))]
)
def test_images_that_all_gain_the_same_leave_no_doubt(gain, chances):
    paired, bayesian = compare_images(np.full((2, 9), gain), rope=0.5, confidence=0.9)
    assert paired.interval == (gain, gain)
    found = (bayesian.first_better, bayesian.alike, bayesian.second_better)
    assert found == chances


def test_equal_scores_are_called_equal():
    row = only(compare_systems(table_of(cells("knn", KNN), cells("cnn", KNN))))
    assert row["sentence"] == "knn and cnn score the same."


def test_scores_that_vary_by_rounding_alone_have_no_spread():
    sevenths = [100 * hits / 7 for hits in range(5)]
    better = [100 * (hits + 1) / 7 for hits in range(5)]
    assert np.std(np.subtract(better, sevenths)) > 0
    row = only(compare_systems(table_of(cells("knn", sevenths), cells("cnn", better))))
    assert row["level"] == "not tested"


def test_failed_cells_and_other_sizes_do_not_count():
    failed = cells("cnn", [np.nan] * 5, error="MemoryError: no memory")
    more = cells("finetune", [95.0] * 5, train_size=1000)
    table = table_of(cells("knn", KNN), failed, more)
    assert compare_systems(table).empty
    assert "sentence" in compare_systems(table)


def test_augmentation_is_judged_over_systems_alike_in_all_else():
    scores = {
        "cnn": ("", KNN),
        "cnn+augment": ("", [score + 2 for score in KNN]),
        "features": ("vgg16", FINETUNE),
        "features+augment": ("vgg16", [90.0, 91.5, 90.0, 88.0, 89.0]),
        "knn": ("vgg16", [10.0] * 5),  # has no augmented counterpart
    }
    table = table_of(
        *(cells(name, values, backbone) for name, (backbone, values) in scores.items())
    )
    factors = compare_factors(table)
    row = between(factors, "augmentation", "no augmentation")
    with_it = np.mean([scores["cnn+augment"][1], scores["features+augment"][1]], axis=0)
    without = np.mean([scores["cnn"][1], scores["features"][1]], axis=0)
    expected = compare_folds(with_it, without, test_fraction=0.25)
    assert row["question"] == "Does augmentation help?"
    assert (row["systems"], row["pairs"]) == (2, 10)
    assert row["difference"] == pytest.approx(expected.difference)
    assert row["p_value"] == pytest.approx(expected.p_value)


def test_training_and_backbones_are_judged():
    rng = np.random.default_rng(0)
    means = {
        ("features", "vgg16"): 80,
        ("features", "mobilenet"): 85,
        ("finetune", "vgg16"): 90,
        ("finetune", "mobilenet"): 94,
        ("finetune+augment", "vgg16"): 50,  # no features+augment to compare it with
    }
    scores = {system: mean + rng.normal(0, 1, 5) for system, mean in means.items()}
    table = table_of(*(cells(name, s, backbone) for (name, backbone), s in scores.items()))
    factors = compare_factors(table)
    trained = between(factors, "fine-tuning", "frozen features")
    gain = [scores["finetune", b] - scores["features", b] for b in ("vgg16", "mobilenet")]
    assert trained["difference"] == pytest.approx(np.mean(gain))
    backbones = between(factors, "mobilenet", "vgg16")
    gain = [scores[s, "mobilenet"] - scores[s, "vgg16"] for s in ("features", "finetune")]
    assert backbones["difference"] == pytest.approx(np.mean(gain))
    assert backbones["question"] == "Which backbone is better?"


def test_factors_on_one_test_set_are_judged_by_images(make_run):
    systems = [(name, b) for name in ("features", "finetune") for b in ("vgg16", "mobilenet")]
    record = make_run(dict(zip(systems, [0.6, 0.65, 0.9, 0.95], strict=True)), n_test=200)
    row = between(compare_factors(record.folder), "fine-tuning", "frozen features")
    accuracies = read_results(record.folder).groupby("strategy")["test_accuracy"].mean()
    assert row["test"] == "t-test over images"
    assert row["difference"] == pytest.approx(accuracies["finetune"] - accuracies["features"])
    assert row["level"] == "surely better"


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"rope": -1}, "rope must be"),
        ({"rope": np.inf}, "rope must be"),
        ({"confidence": 0}, "confidence must be"),
        ({"confidence": 1}, "confidence must be"),
    ],
)
@pytest.mark.parametrize("compare", [compare_systems, compare_factors])
def test_numbers_out_of_their_range_are_refused(compare, parameters, message):
    with pytest.raises(ValueError, match=message):
        compare(table_of(cells("knn", KNN)), **parameters)


def test_a_table_without_scores_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"must have the columns \['test_accuracy'\]"):
        compare_systems(table_of(cells("knn", KNN)).drop(columns="test_accuracy"))
    with pytest.raises(FileNotFoundError, match="is not the folder of a benchmark"):
        compare_systems(tmp_path)
