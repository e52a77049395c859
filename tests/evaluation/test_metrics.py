from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score, log_loss, roc_auc_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sktransfer.evaluation import count_parameters, score_predictions

CLASSES = np.array(["bird", "cat", "dog"])


@pytest.fixture
def labels_and_proba():
    rng = np.random.default_rng(0)
    proba = rng.dirichlet([1, 1, 1], size=60)
    return CLASSES[rng.integers(0, 3, 60)], proba


def test_scores_are_those_of_scikit_learn(labels_and_proba):
    y, proba = labels_and_proba
    predicted = CLASSES[proba.argmax(axis=1)]
    assert score_predictions(y, proba, CLASSES) == pytest.approx(
        {
            "accuracy": accuracy_score(y, predicted),
            "f1_micro": f1_score(y, predicted, average="micro"),
            "f1_macro": f1_score(y, predicted, average="macro"),
            "roc_auc_ovr": roc_auc_score(y, proba, multi_class="ovr"),
            "log_loss": log_loss(y, proba),
        }
    )


def test_two_classes_have_the_usual_area(labels_and_proba):
    y, proba = labels_and_proba
    y = np.where(y == "dog", "dog", "cat")
    two = np.column_stack([1 - proba[:, 2], proba[:, 2]])
    scores = score_predictions(y, two, ["cat", "dog"])
    assert scores["roc_auc_ovr"] == pytest.approx(roc_auc_score(y == "dog", proba[:, 2]))


def test_area_is_averaged_over_the_classes_that_occur(labels_and_proba):
    y, proba = labels_and_proba
    some = y != "bird"
    scores = score_predictions(y[some], proba[some], CLASSES)
    areas = [roc_auc_score(y[some] == CLASSES[i], proba[some, i]) for i in (1, 2)]
    assert scores["roc_auc_ovr"] == pytest.approx(np.mean(areas))
    assert scores["log_loss"] == pytest.approx(log_loss(y[some], proba[some], labels=CLASSES))


def test_area_of_a_single_class_is_nan(labels_and_proba):
    y, proba = labels_and_proba
    birds = y == "bird"
    assert np.isnan(score_predictions(y[birds], proba[birds], CLASSES)["roc_auc_ovr"])


def test_wrong_shapes_and_labels_are_named(labels_and_proba):
    y, proba = labels_and_proba
    with pytest.raises(ValueError, match=r"proba must have shape \(60, 2\)"):
        score_predictions(y, proba, CLASSES[:2])
    with pytest.raises(ValueError, match=r"not among the classes: \['dog'\]"):
        score_predictions(y, proba, ["bird", "cat", "fish"])


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
