"""Probes: classical classifiers that tell what a backbone's features are worth."""

from __future__ import annotations

from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from sktransfer._validation import Interval, StrOptions, check_sample_weight, validate_parameters
from sktransfer.estimators._targets import check_class_weight


class LinearProbe(ClassifierMixin, BaseEstimator):
    """Logistic regression on standardized features: the linear probe [1]_.

    Features of a backbone are many and strongly correlated, so that the penalty matters: the
    default is a hundred times stronger than that of scikit-learn's own logistic regression.

    Parameters
    ----------
    C : float > 0, default=0.01
        Inverse strength of the L2 penalty.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes, as in scikit-learn.
    max_iter : int, default=1000
        Most iterations of the solver.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    coef_ : ndarray of shape (n_classes or 1, n_features)
        Coefficients of the standardized features.
    intercept_ : ndarray of shape (n_classes or 1,)
        Intercepts.
    n_iter_ : ndarray of shape (1,)
        Iterations of the solver.
    scaler_ : StandardScaler
        The fitted scaler.
    classifier_ : LogisticRegression
        The classifier fitted on scaled features.
    n_features_in_ : int
        Number of features.

    References
    ----------
    .. [1] Alain and Bengio, "Understanding intermediate layers using linear classifier probes",
           2016, arXiv:1610.01644.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sktransfer import LinearProbe
    >>> X, y = load_iris(return_X_y=True)
    >>> LinearProbe(C=1.0).fit(X, y).score(X, y) > 0.9
    True
    """

    _parameter_constraints = {
        "C": [Interval(Real, 0, None, closed="neither")],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        C: float = 0.01,
        *,
        class_weight: dict | str | None = None,
        max_iter: int = 1000,
    ) -> None:
        self.C = C
        self.class_weight = class_weight
        self.max_iter = max_iter

    def fit(self, X, y, sample_weight=None):
        """Fit scaler and classifier.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples,)
            Classes.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        self : LinearProbe
            The fitted probe.
        """
        validate_parameters(self)
        X, y = validate_data(self, X, y, dtype=[np.float64, np.float32])
        check_classification_targets(y)
        check_class_weight(self.class_weight, np.unique(y))
        weights = sample_weight
        if weights is not None:
            weights = check_sample_weight(weights, X, ensure_non_negative=True)
        self.scaler_ = StandardScaler().fit(X, sample_weight=weights)
        self.classifier_ = LogisticRegression(
            C=self.C, class_weight=self.class_weight, max_iter=self.max_iter
        ).fit(self.scaler_.transform(X), y, sample_weight=weights)
        self.classes_ = self.classifier_.classes_
        self.coef_, self.intercept_ = self.classifier_.coef_, self.classifier_.intercept_
        self.n_iter_ = self.classifier_.n_iter_
        return self

    def decision_function(self, X) -> np.ndarray:
        """Return the scores of the classes, (n_samples, n_classes) or (n_samples,) for two."""
        X = self._scaled(X)
        return self.classifier_.decision_function(X)

    def predict_proba(self, X) -> np.ndarray:
        """Return the probabilities of the classes, (n_samples, n_classes)."""
        X = self._scaled(X)
        return self.classifier_.predict_proba(X)

    def predict(self, X) -> np.ndarray:
        """Return the predicted classes, (n_samples,)."""
        X = self._scaled(X)
        return self.classifier_.predict(X)

    def _scaled(self, X) -> np.ndarray:
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=[np.float64, np.float32])
        return self.scaler_.transform(X)


class KNNProbe(KNeighborsClassifier):
    """Nearest neighbours by cosine distance: what features are worth without any training [1]_.

    scikit-learn's `KNeighborsClassifier` with the metric, the weights and the number of neighbours
    that suit a backbone's features.

    Parameters
    ----------
    n_neighbors : int, default=10
        Neighbours that vote.
    weights : {"uniform", "distance"}, default="distance"
        Whether near neighbours count more.
    metric : str, default="cosine"
        Distance, by a name that scikit-learn knows.
    n_jobs : int, default=None
        Threads of the search.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    n_features_in_ : int
        Number of features.

    References
    ----------
    .. [1] Caron et al., "Emerging Properties in Self-Supervised Vision Transformers", ICCV 2021,
           arXiv:2104.14294 (k-NN evaluation).

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sktransfer import KNNProbe
    >>> X, y = load_iris(return_X_y=True)
    >>> KNNProbe(n_neighbors=5).fit(X, y).score(X, y)
    1.0
    """

    def __init__(
        self,
        n_neighbors: int = 10,
        *,
        weights: str = "distance",
        metric: str = "cosine",
        n_jobs: int | None = None,
    ) -> None:
        super().__init__(n_neighbors=n_neighbors, weights=weights, metric=metric, n_jobs=n_jobs)
