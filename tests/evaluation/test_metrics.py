"""Scores agree with scikit-learn's where it has them, and with naive loops where it has not."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    brier_score_loss,
    f1_score,
    log_loss,
    recall_score,
    roc_auc_score,
    top_k_accuracy_score,
)
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sktransfer import TTAClassifier
from sktransfer.evaluation._metrics import (
    count_parameters,
    rank_mistakes,
    recall_by_class,
    score_predictions,
)

CLASSES = np.array(["bird", "cat", "dog"])


@pytest.fixture
def labels_and_proba():
    rng = np.random.default_rng(0)
    # Two digits, so that there are ties.
    proba = np.round(rng.dirichlet([1, 1, 1], size=60), 2)
    proba[:, 2] = 1 - proba[:, :2].sum(axis=1)
    return CLASSES[rng.integers(0, 3, 60)], np.clip(proba, 0, 1)


def naive_calibration_error(is_right, confidence, n_bins=15):
    total = 0.0
    for m in range(n_bins):
        inside = (confidence > m / n_bins) & (confidence <= (m + 1) / n_bins)
        if inside.any():
            total += inside.sum() * abs(is_right[inside].mean() - confidence[inside].mean())
    return total / len(confidence)


def test_scores_are_those_of_scikit_learn(labels_and_proba):
    y, proba = labels_and_proba
    predicted = CLASSES[proba.argmax(axis=1)]
    one_hot = (y[:, None] == CLASSES).astype(float)
    assert score_predictions(y, proba, CLASSES) == pytest.approx(
        {
            "accuracy": accuracy_score(y, predicted),
            "top_k_accuracy": top_k_accuracy_score(y, proba, k=2),
            "balanced_accuracy": balanced_accuracy_score(y, predicted),
            "f1_micro": f1_score(y, predicted, average="micro"),
            "f1_macro": f1_score(y, predicted, average="macro"),
            "roc_auc_ovr": roc_auc_score(y, proba, multi_class="ovr"),
            "roc_auc_ovo": roc_auc_score(y, proba, multi_class="ovo"),
            "log_loss": log_loss(y, proba),
            "brier": np.mean([np.sum((p - t) ** 2) for p, t in zip(proba, one_hot, strict=True)]),
            "expected_calibration_error": naive_calibration_error(
                predicted == y, proba.max(axis=1)
            ),
        }
    )


def test_the_brier_score_of_two_classes_is_twice_scikit_learns(labels_and_proba):
    y, proba = labels_and_proba
    two = np.column_stack([1 - proba[:, 2], proba[:, 2]])
    score = score_predictions(y == "dog", two, [False, True])["brier"]
    assert score == pytest.approx(2 * brier_score_loss(y == "dog", proba[:, 2]))


@pytest.mark.parametrize(("n_classes", "k"), [(2, 1), (4, 3), (6, 5), (12, 5)])
def test_guesses_are_five_or_one_less_than_the_classes(n_classes, k):
    rng = np.random.default_rng(n_classes)
    proba = rng.dirichlet(np.ones(n_classes), 80)
    y = np.arange(80) % n_classes
    scores = score_predictions(y, proba, np.arange(n_classes))
    among = [truth in np.argsort(row)[-k:] for truth, row in zip(y, proba, strict=True)]
    assert scores["top_k_accuracy"] == pytest.approx(np.mean(among))


def test_equal_probabilities_are_a_guess_for_the_first_class():
    scores = score_predictions(["a", "b"], [[0.5, 0.5], [0.5, 0.5]], ["a", "b"])
    assert scores["accuracy"] == scores["top_k_accuracy"] == 0.5
    assert scores["roc_auc_ovr"] == scores["roc_auc_ovo"] == 0.5


def test_certain_and_right_is_perfect():
    scores = score_predictions(["a", "b", "c"], np.eye(3), ["a", "b", "c"])
    assert scores["brier"] == scores["expected_calibration_error"] == 0
    assert scores["roc_auc_ovo"] == scores["balanced_accuracy"] == 1
    wrong = score_predictions(["a", "b", "c"], np.roll(np.eye(3), 1, axis=1), ["a", "b", "c"])
    assert wrong["brier"] == 2
    assert wrong["expected_calibration_error"] == 1


def test_two_classes_have_the_usual_area(labels_and_proba):
    y, proba = labels_and_proba
    y = np.where(y == "dog", "dog", "cat")
    two = np.column_stack([1 - proba[:, 2], proba[:, 2]])
    scores = score_predictions(y, two, ["cat", "dog"])
    area = roc_auc_score(y == "dog", proba[:, 2])
    assert scores["roc_auc_ovr"] == pytest.approx(area)
    assert scores["roc_auc_ovo"] == pytest.approx(area)


def test_averages_are_over_the_classes_that_occur(labels_and_proba):
    y, proba = labels_and_proba
    some = y != "bird"
    y, proba = y[some], proba[some]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores = score_predictions(y, proba, CLASSES)
    rest = [roc_auc_score(y == CLASSES[i], proba[:, i]) for i in (1, 2)]
    assert scores["roc_auc_ovr"] == pytest.approx(np.mean(rest))
    assert scores["roc_auc_ovo"] == pytest.approx(np.mean(rest))  # there is a single pair
    assert scores["log_loss"] == pytest.approx(log_loss(y, proba, labels=CLASSES))
    predicted = CLASSES[proba.argmax(axis=1)]
    recalls = recall_score(y, predicted, labels=CLASSES[1:], average=None)
    assert scores["balanced_accuracy"] == pytest.approx(recalls.mean())


def test_pairs_of_classes_leave_the_others_out():
    rng = np.random.default_rng(1)
    proba, y = rng.dirichlet(np.ones(5), 200), rng.choice([0, 2, 4], 200)
    areas = []
    for a, b in itertools.permutations([0, 2, 4], 2):
        pair = (y == a) | (y == b)
        areas.append(roc_auc_score(y[pair] == a, proba[pair, a]))
    found = score_predictions(y, proba, np.arange(5))["roc_auc_ovo"]
    assert found == pytest.approx(np.mean(areas))


def test_there_may_be_fewer_rows_than_classes():
    scores = score_predictions(["bird", "cat"], [[0.6, 0.3, 0.1], [0.3, 0.2, 0.5]], CLASSES)
    assert scores["accuracy"] == 0.5
    assert scores["top_k_accuracy"] == 0.5
    assert scores["roc_auc_ovo"] == pytest.approx((1 + 0) / 2)


@pytest.mark.filterwarnings("error")
def test_areas_of_a_single_class_are_nan(labels_and_proba):
    y, proba = labels_and_proba
    birds = y == "bird"
    scores = score_predictions(y[birds], proba[birds], CLASSES)
    assert np.isnan(scores["roc_auc_ovr"])
    assert np.isnan(scores["roc_auc_ovo"])


def test_recalls_are_those_of_scikit_learn(labels_and_proba):
    y, proba = labels_and_proba
    recalls = recall_by_class(y, proba, CLASSES)
    expected = recall_score(y, CLASSES[proba.argmax(axis=1)], labels=CLASSES, average=None)
    assert recalls == pytest.approx(dict(zip(CLASSES.tolist(), expected, strict=True)))


def test_the_recall_of_a_class_that_does_not_occur_is_nan(labels_and_proba):
    y, proba = labels_and_proba
    recalls = recall_by_class(y[y != "cat"], proba[y != "cat"], CLASSES)
    assert list(recalls) == ["bird", "cat", "dog"]
    assert np.isnan(recalls["cat"])
    assert all(type(label) is str for label in recalls)


def test_what_cannot_be_scored_is_named(labels_and_proba):
    y, proba = labels_and_proba
    with pytest.raises(ValueError, match=r"proba must have shape \(60, 2\)"):
        score_predictions(y, proba, CLASSES[:2])
    with pytest.raises(ValueError, match=r"not among the classes: \['dog'\]"):
        score_predictions(y, proba, ["bird", "cat", "fish"])
    with pytest.raises(ValueError, match=r"classes must be sorted.*\['dog', 'cat', 'bird'\]"):
        score_predictions(y, proba, CLASSES[::-1])
    with pytest.raises(ValueError, match=r"classes must be sorted.*\['bird', 'cat', 'cat'\]"):
        score_predictions(y, proba, ["bird", "cat", "cat"])
    with pytest.raises(ValueError, match=r"classes must be two or more, got \['bird'\]"):
        score_predictions(["bird"], [[1.0]], ["bird"])
    with pytest.raises(ValueError, match="y_true is empty"):
        recall_by_class([], np.empty((0, 3)), CLASSES)


@pytest.mark.parametrize("value", [np.nan, -0.1, 1.5])
def test_what_is_no_probability_is_refused(labels_and_proba, value):
    y, proba = labels_and_proba
    proba[3, 1] = value
    with pytest.raises(ValueError, match="proba must hold probabilities"):
        score_predictions(y, proba, CLASSES)


def test_mistakes_are_ranked_by_how_sure_they_were():
    proba = np.array([[0.6, 0.4], [0.9, 0.1], [0.3, 0.7], [0.2, 0.8], [0.4, 0.6], [0.5, 0.5]])
    assert rank_mistakes(np.array([0, 1, 0, 1, 0, 1]), proba).tolist() == [1, 2, 4, 5]
    equally_sure = np.array([[0.2, 0.8], [0.8, 0.2], [0.2, 0.8]])
    assert rank_mistakes(np.array([0, 1, 0]), equally_sure).tolist() == [0, 1, 2]
    assert rank_mistakes(np.array([1, 0, 1]), equally_sure).tolist() == []


class Network:
    parameter_counts_ = {"total": 100, "trainable": 70, "non_trainable": 30}


def test_parameters_of_a_network_are_its_own():
    assert count_parameters(Network()) == {
        "total_params": 100,
        "trainable_params": 70,
        "non_trainable_params": 30,
        "deployed_params": 100,
    }


def test_deployed_parameters_have_the_backbone_with_them():
    X, y = np.eye(6)[:, :4], ["a", "b", "c"] * 2
    backbone = FunctionTransformer()
    backbone.parameter_counts_ = {"total": 1000, "trainable": 0, "non_trainable": 1000}
    linear = make_pipeline(backbone, LogisticRegression()).fit(X, y)
    # 3 classes of 4 coefficients and an intercept
    assert count_parameters(linear) == {
        "total_params": 15,
        "trainable_params": 15,
        "non_trainable_params": 0,
        "deployed_params": 1015,
    }
    neighbours = make_pipeline(backbone, "passthrough", KNeighborsClassifier(1)).fit(X, y)
    assert count_parameters(neighbours)["total_params"] == 0
    assert count_parameters(neighbours)["deployed_params"] == 1000


@pytest.mark.parametrize("freeze", [False, True])
def test_parameters_of_a_meta_estimator_are_those_within(freeze):
    X, y = np.arange(24).reshape(6, 4), ["a", "b", "c"] * 2
    linear = make_pipeline(FunctionTransformer(), LogisticRegression()).fit(X, y)
    asked = FrozenEstimator(linear) if freeze else linear
    views = TTAClassifier(asked, image_shape=(2, 2, 1), n_views=2, random_state=0).fit(X, y)
    assert count_parameters(views) == count_parameters(linear)


def test_parameters_of_a_search_are_those_of_its_best_estimator():
    X, y = np.eye(6)[:, :4], ["a", "b", "c"] * 2
    search = GridSearchCV(LogisticRegression(), {"C": [1.0]}, cv=2).fit(X, y)
    assert count_parameters(search) == count_parameters(search.best_estimator_)
    assert count_parameters(search)["total_params"] == 15


def test_deployed_parameters_have_all_backbones_of_a_union_with_them():
    X, y = np.eye(6)[:, :4], ["a", "b", "c"] * 2
    backbone = FunctionTransformer()
    backbone.parameter_counts_ = {"total": 1000, "trainable": 0, "non_trainable": 1000}
    union = FeatureUnion([("one", backbone), ("none", "drop"), ("two", make_pipeline(backbone))])
    linear = make_pipeline(union, LogisticRegression()).fit(X, y)
    for part in union.transformer_list[0][1], union.transformer_list[2][1][0]:
        part.parameter_counts_ = backbone.parameter_counts_

    counted = count_parameters(linear)

    assert counted["total_params"] == 3 * (8 + 1)
    assert counted["deployed_params"] == 2000 + 3 * (8 + 1)
