"""Probes: classical classifiers that tell what a backbone's features are worth."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from sktransfer._validation import Interval, StrOptions, check_sample_weight, validate_parameters
from sktransfer.estimators._penalty_search import search_penalty
from sktransfer.estimators._ridge import LeaveOneOutRidge
from sktransfer.estimators._targets import check_class_weight

FIXED_C = 0.01
"""The penalty of a linear probe that cannot search for one."""


def _checked_weights(sample_weight, X: np.ndarray) -> np.ndarray | None:
    """Return the weights of rows, none of them negative, where there are any."""
    if sample_weight is None:
        return None
    return check_sample_weight(sample_weight, X, ensure_non_negative=True)


class _StandardizedProbe(ClassifierMixin, BaseEstimator):
    """A linear classifier, `classifier_`, on standardized features."""

    scaler_: StandardScaler
    classifier_: Any

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

    def _checked(self, X, y) -> tuple[np.ndarray, np.ndarray]:
        """Check the parameters and return features and classes as arrays."""
        validate_parameters(self)
        X, y = validate_data(self, X, y, dtype=[np.float64, np.float32])
        check_classification_targets(y)
        classes = np.unique(y)
        if len(classes) < 2:
            raise ValueError(
                f"y holds one class only ({classes.tolist()}); a classifier needs at least two "
                "classes"
            )
        return X, y

    def _scaled(self, X) -> np.ndarray:
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=[np.float64, np.float32])
        return self.scaler_.transform(X)


class LinearProbe(_StandardizedProbe):
    """Logistic regression on standardized features: the linear probe [1]_.

    Features of a backbone are many and strongly correlated, so that the penalty matters: the
    default is a hundred times stronger than that of scikit-learn's own logistic regression.

    Parameters
    ----------
    C : float > 0 or "auto", default=0.01
        Inverse strength of the L2 penalty. "auto" chooses it on held-out rows, as comparisons of
        backbones do [2]_: a fifth of each class is set aside, and values from 1e-4 to 1, two a
        decade, are tried from the strongest penalty on until the log loss has been no better twice
        in a row; the best is fitted to all rows. It takes four times as long as a given value.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes, as in scikit-learn.
    max_iter : int, default=1000
        Most iterations of the solver.
    random_state : int, RandomState instance or None, default=None
        Seed of what ``C="auto"`` holds out.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    C_ : float
        The inverse strength of the penalty that was used.
    coef_ : ndarray of shape (n_classes or 1, n_features)
        Coefficients of the standardized features.
    intercept_ : ndarray of shape (n_classes or 1,)
        Intercepts.
    n_iter_ : ndarray of shape (1,)
        Iterations of the solver, those of a search not counted.
    scaler_ : StandardScaler
        The fitted scaler.
    classifier_ : LogisticRegression
        The classifier fitted on scaled features.
    n_features_in_ : int
        Number of features.

    See Also
    --------
    RidgeProbe : Chooses its penalty without holding anything out.

    Notes
    -----
    With ``C="auto"`` a class of one row is trained on and never held out; where no class has two
    rows, C is 0.01. Weights of rows and classes count in the loss as they do in training. The
    scaler, which knows no classes, is fitted once, to all rows.

    References
    ----------
    .. [1] Alain and Bengio, "Understanding intermediate layers using linear classifier probes",
           2016, arXiv:1610.01644.
    .. [2] Kornblith, Shlens and Le, "Do Better ImageNet Models Transfer Better?", CVPR 2019,
           arXiv:1805.08974.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sktransfer import LinearProbe
    >>> X, y = load_iris(return_X_y=True)
    >>> LinearProbe(C=1.0).fit(X, y).score(X, y) > 0.9
    True
    >>> LinearProbe(C="auto", random_state=0).fit(X, y).C_
    1.0
    """

    _parameter_constraints = {
        "C": [Interval(Real, 0, None, closed="neither"), StrOptions({"auto"})],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        C: float | str = FIXED_C,
        *,
        class_weight: dict | str | None = None,
        max_iter: int = 1000,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.C = C
        self.class_weight = class_weight
        self.max_iter = max_iter
        self.random_state = random_state

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
        X, y = self._checked(X, y)
        check_class_weight(self.class_weight, np.unique(y))
        weights = _checked_weights(sample_weight, X)
        self.scaler_ = StandardScaler().fit(X, sample_weight=weights)
        scaled = self.scaler_.transform(X)
        row_weights = _row_weights(y, self.class_weight, weights)
        self.C_ = self._search_penalty(scaled, y, row_weights) if self.C == "auto" else self.C
        self.classifier_ = LogisticRegression(C=self.C_, max_iter=self.max_iter).fit(
            scaled, y, sample_weight=row_weights
        )
        self.classes_ = self.classifier_.classes_
        self.coef_, self.intercept_ = self.classifier_.coef_, self.classifier_.intercept_
        self.n_iter_ = self.classifier_.n_iter_
        return self

    def _search_penalty(self, X: np.ndarray, y: np.ndarray, weights: np.ndarray) -> float:
        """Return the best C on rows that are held out, or the default if there can be none."""
        classifier = LogisticRegression(max_iter=self.max_iter)
        best = search_penalty(classifier, X, y, weights, self.random_state)
        return FIXED_C if best is None else best


class RidgeProbe(_StandardizedProbe):
    """Ridge regression of class indicators on standardized features, in closed form.

    One decomposition of the features gives the regressions of all penalties and what they say of
    each row when it is left out [1]_. So the penalty is chosen by the leave-one-out error, and a
    temperature that turns scores into probabilities [2]_ by the leave-one-out log loss, without a
    row being held out or an iterative solver: seconds for 50,000 rows of 1,024 features.

    Parameters
    ----------
    alphas : sequence of float > 0, default=(0.1, 1.0, 10.0, 100.0, 1e3, 1e4, 1e5, 1e6)
        Penalties to choose from; another one costs next to nothing.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes, as in scikit-learn.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    alpha_ : float
        The penalty of the least squared leave-one-out error.
    temperature_ : float
        What scores are divided by before the softmax that makes them probabilities.
    coef_ : ndarray of shape (n_classes or 1, n_features)
        Coefficients of the standardized features.
    intercept_ : ndarray of shape (n_classes or 1,)
        Intercepts.
    scaler_ : StandardScaler
        The fitted scaler.
    n_features_in_ : int
        Number of features.

    See Also
    --------
    LinearProbe : Logistic regression: slower, and the better probabilities.
    sklearn.linear_model.RidgeClassifierCV : The same choice of a penalty, without probabilities.

    Notes
    -----
    Indicators are 1 for a row's class and -1 for the others. A row is left out with all of its
    weight. The scaler is fitted once, to all rows. Of n rows of p features, min(n, p)^2 numbers are
    held in memory and max(n, p) min(n, p)^2 operations done.

    References
    ----------
    .. [1] Rifkin and Lippert, "Notes on Regularized Least Squares", MIT CSAIL TR 2007-025.
    .. [2] Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, arXiv:1706.04599.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from sktransfer import RidgeProbe
    >>> X, y = load_wine(return_X_y=True)
    >>> probe = RidgeProbe().fit(X, y)
    >>> probe.score(X, y) > 0.9
    True
    >>> probe.predict_proba(X).shape
    (178, 3)
    """

    _parameter_constraints = {
        "alphas": ["array-like"],
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }

    def __init__(
        self,
        alphas: Sequence[float] = (0.1, 1.0, 10.0, 100.0, 1e3, 1e4, 1e5, 1e6),
        *,
        class_weight: dict | str | None = None,
    ) -> None:
        self.alphas = alphas
        self.class_weight = class_weight

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
        self : RidgeProbe
            The fitted probe.
        """
        X, y = self._checked(X, y)
        alphas = _positive_numbers("alphas", self.alphas)
        check_class_weight(self.class_weight, np.unique(y))
        weights = _checked_weights(sample_weight, X)
        row_weights = _row_weights(y, self.class_weight, weights)
        if not row_weights.any():
            raise ValueError("sample_weight and class_weight are zero for every row")
        self.scaler_ = StandardScaler().fit(X, sample_weight=weights)
        self.classifier_ = LeaveOneOutRidge.fit(self.scaler_.transform(X), y, row_weights, alphas)
        self.classes_ = self.classifier_.classes
        self.coef_, self.intercept_ = self.classifier_.coef, self.classifier_.intercept
        self.alpha_, self.temperature_ = self.classifier_.alpha, self.classifier_.temperature
        return self


class LDAProbe(_StandardizedProbe):
    """Linear discriminant analysis with shrinkage, on standardized features, in closed form [1]_.

    scikit-learn's `LinearDiscriminantAnalysis` with the shrinkage that many correlated features of
    few rows need, and the solver that bears features which are constant.

    Parameters
    ----------
    shrinkage : "auto" or float in [0, 1], default="auto"
        How far each covariance is drawn towards a multiple of the identity; "auto" by the lemma of
        Ledoit and Wolf [2]_.
    priors : array-like of shape (n_classes,), default=None
        Probabilities of the classes; None is their frequency.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    coef_ : ndarray of shape (n_classes or 1, n_features)
        Coefficients of the standardized features.
    intercept_ : ndarray of shape (n_classes or 1,)
        Intercepts.
    scaler_ : StandardScaler
        The fitted scaler.
    classifier_ : LinearDiscriminantAnalysis
        The classifier fitted on scaled features.
    n_features_in_ : int
        Number of features.

    See Also
    --------
    RidgeProbe : Takes weights of rows and classes, and features by the ten thousands.

    Notes
    -----
    It holds square matrices of the features, and solves equations in them: pooled features rather
    than flattened ones.

    References
    ----------
    .. [1] Hastie, Tibshirani and Friedman, "The Elements of Statistical Learning", 2009, 4.3.
    .. [2] Ledoit and Wolf, "Honey, I Shrunk the Sample Covariance Matrix", The Journal of Portfolio
           Management 30(4), 2004.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sktransfer import LDAProbe
    >>> X, y = load_iris(return_X_y=True)
    >>> LDAProbe().fit(X, y).score(X, y) > 0.9
    True
    """

    _parameter_constraints = {
        "shrinkage": [StrOptions({"auto"}), Interval(Real, 0, 1, closed="both")],
        "priors": ["array-like", None],
    }

    def __init__(
        self, shrinkage: float | str = "auto", *, priors: Sequence[float] | None = None
    ) -> None:
        self.shrinkage = shrinkage
        self.priors = priors

    def fit(self, X, y):
        """Fit scaler and classifier.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples,)
            Classes.

        Returns
        -------
        self : LDAProbe
            The fitted probe.
        """
        X, y = self._checked(X, y)
        self.scaler_ = StandardScaler().fit(X)
        self.classifier_ = LinearDiscriminantAnalysis(
            solver="lsqr", shrinkage=self.shrinkage, priors=self.priors
        ).fit(self.scaler_.transform(X), y)
        self.classes_ = self.classifier_.classes_
        self.coef_, self.intercept_ = self.classifier_.coef_, self.classifier_.intercept_
        return self


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


def _row_weights(
    y: np.ndarray, class_weight: dict | str | None, weights: np.ndarray | None
) -> np.ndarray:
    """Return the weights of the rows times those of their classes, float64.

    A row of weight two counts as two rows, for the balance of the classes, too.
    """
    if weights is None:
        return compute_sample_weight(class_weight, y)
    if class_weight != "balanced":
        return compute_sample_weight(class_weight, y) * weights
    _, codes = np.unique(y, return_inverse=True)
    totals = np.bincount(codes, weights=weights)
    share = totals.sum() / np.count_nonzero(totals)
    return weights * (share / np.where(totals > 0, totals, 1))[codes]


def _positive_numbers(name: str, values: Sequence[float]) -> list[float]:
    """Return a parameter's values as positive, finite floats."""
    numbers = np.ravel(values)
    valid = numbers.dtype.kind in "iuf" and numbers.size and (numbers > 0).all()
    if not valid or not np.isfinite(numbers).all():
        raise ValueError(f"{name} must hold positive, finite numbers, got {values!r}")
    return numbers.astype(float).tolist()
