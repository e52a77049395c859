"""Test-time augmentation: the mean of what an estimator says of several views of an image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from numbers import Integral
from typing import Any

import numpy as np
from sklearn import get_config
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    MetaEstimatorMixin,
    RegressorMixin,
    clone,
)
from sklearn.utils import check_random_state, get_tags
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_is_fitted

from sktransfer._docs import shared_docs
from sktransfer._validation import HasMethods, Interval, validate_parameters
from sktransfer.estimators._views import Views
from sktransfer.images import Augmentation, ImageAugmentation

SHIFT = 0.0625
"""Of the default views, as a fraction of the side: 2 pixels of 32, 14 of 224."""


class _TTA(MetaEstimatorMixin, BaseEstimator):
    """An estimator that is fitted on images as they are, and asked about views of them."""

    estimator_: Any

    _parameter_constraints = {
        "augmentation": [Augmentation, None],
        "n_views": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator: BaseEstimator,
        augmentation: Augmentation | None = None,
        *,
        n_views: int = 8,
        image_shape: tuple[int, int, int] | None = None,
        pixel_range: str | tuple[int, int] | None = "auto",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.estimator = estimator
        self.augmentation = augmentation
        self.n_views = n_views
        self.image_shape = image_shape
        self.pixel_range = pixel_range
        self.random_state = random_state

    def fit(self, X, y, **fit_params):
        """Fit a clone of the estimator on the images as they are.

        Parameters
        ----------
        X : array-like
            Images of any kind that the estimator takes.
        y : array-like of shape (n_images,) or (n_images, n_outputs)
            Targets.
        **fit_params : dict
            What the estimator's `fit` takes besides, such as `sample_weight` or `X_val`; with
            metadata routing, what it requests.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        validate_parameters(self)
        if self.augmentation is not None:
            self.augmentation.validate()
        self._seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        self._views(X)  # raises before anything long if views cannot be made
        if get_config()["enable_metadata_routing"]:
            fit_params = process_routing(self, "fit", **fit_params).estimator.fit
        self.estimator_ = clone(self.estimator).fit(X, y, **fit_params)
        return self

    @property
    def n_features_in_(self) -> int:
        """Number of columns of a 2-D X, where the estimator keeps it."""
        return self.estimator_.n_features_in_

    @property
    def feature_names_in_(self) -> np.ndarray:
        """Names of the columns of X, where the estimator keeps them."""
        return self.estimator_.feature_names_in_

    def get_metadata_routing(self) -> MetadataRouter:
        """Return what is handed on to the estimator: all that its `fit` requests."""
        fit = MethodMapping().add(caller="fit", callee="fit")
        router = MetadataRouter(owner=self).add_self_request(self)
        return router.add(estimator=self.estimator, method_mapping=fit)

    def _mean_answer(self, X: Any, ask: Callable[[Any], np.ndarray]) -> np.ndarray:
        """Return the mean of the answers to X itself and to the views of it."""
        answer = np.asarray(ask(X))
        mean = answer.astype(np.result_type(answer, np.float32))
        for rows, view in self._views(X).blocks(range(1, self.n_views)):
            mean[rows] += ask(view)
        mean /= self.n_views
        return mean

    def _views(self, X: Any) -> Views:
        augmentation = self.augmentation
        if augmentation is None:
            augmentation = ImageAugmentation(
                width_shift=SHIFT, height_shift=SHIFT, horizontal_flip=True, fill_mode="reflect"
            )
        return Views(
            X,
            augmentation,
            self._seed,
            image_shape=self.image_shape,
            pixel_range=self.pixel_range,
        )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        inner = get_tags(self.estimator)
        tags.input_tags = replace(inner.input_tags, sparse=False)
        tags.target_tags = inner.target_tags
        return tags


@shared_docs()
class TTAClassifier(ClassifierMixin, _TTA):
    """The mean of the probabilities that a classifier gives several views of an image [1]_.

    It costs nothing in training and `n_views` times as much in prediction, and is worth about a
    percent of accuracy; what it helps, and what it can spoil, depends on the views [2]_.

    Parameters
    ----------
    estimator : estimator with `predict_proba`
        Any classifier of images, also a pipeline. A `FrozenEstimator` is not fitted anew.
    {tta_parameters}

    Attributes
    ----------
    estimator_ : estimator
        The fitted classifier.
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    {tta_attributes}

    See Also
    --------
    TTARegressor : The same for numbers.
    ImageAugmentation : The changes that views are made by.

    Notes
    -----
    {tta_notes}

    References
    ----------
    {tta_references}

    Examples
    --------
    >>> import numpy as np
    >>> from sktransfer import ConvNetClassifier, TTAClassifier
    >>> X = np.random.default_rng(0).integers(0, 256, (8, 16, 16, 3), dtype=np.uint8)
    >>> y = np.repeat(["cat", "dog"], 4)
    >>> net = ConvNetClassifier(1, filters=4, hidden_layer_sizes=(), epochs=1, random_state=0)
    >>> TTAClassifier(net, n_views=3, random_state=0).fit(X, y).predict_proba(X).shape
    (8, 2)
    """

    _parameter_constraints = {
        **_TTA._parameter_constraints,
        "estimator": [HasMethods(["fit", "predict_proba"])],
    }

    def fit(self, X, y, **fit_params):
        """Fit a clone of the classifier on the images as they are.

        Parameters
        ----------
        X : array-like
            Images of any kind that the classifier takes.
        y : array-like of shape (n_images,) or (n_images, n_labels)
            Classes, or label indicators if the classifier takes them.
        **fit_params : dict
            What the classifier's `fit` takes besides, such as `sample_weight` or `X_val`; with
            metadata routing, what it requests.

        Returns
        -------
        self : TTAClassifier
            The fitted estimator.
        """
        targets = type_of_target(y)
        if targets == "multiclass-multioutput":
            raise ValueError(
                "y must be classes or label indicators, got several columns of classes"
            )
        super().fit(X, y, **fit_params)
        self._is_multilabel = targets == "multilabel-indicator"
        return self

    @property
    def classes_(self) -> np.ndarray:
        """Class labels."""
        return self.estimator_.classes_

    def predict_proba(self, X) -> np.ndarray:
        """Return the mean of the views' probabilities, (n_images, n_classes or n_labels)."""
        check_is_fitted(self)
        return self._mean_answer(X, self._probabilities)

    def predict(self, X) -> np.ndarray:
        """Return the classes of the highest mean probability, or the labels above one half."""
        probabilities = self.predict_proba(X)
        if self._is_multilabel:
            return (probabilities > 0.5).astype(int)
        return self.classes_[probabilities.argmax(axis=1)]

    def _probabilities(self, X) -> np.ndarray:
        """Ask the classifier; of a list with the two classes of each label keep the label's own."""
        answer = self.estimator_.predict_proba(X)
        if not isinstance(answer, list):
            return answer
        columns = zip(answer, self.estimator_.classes_, strict=True)
        return np.column_stack([both[:, known == 1].sum(axis=1) for both, known in columns])

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags = get_tags(self.estimator).classifier_tags
        return tags


@shared_docs()
class TTARegressor(RegressorMixin, _TTA):
    """The mean of the numbers that a regressor gives several views of an image [1]_.

    It suits what does not change with the view: not the place of a thing within the image, for
    example. See also [2]_.

    Parameters
    ----------
    estimator : estimator with `predict`
        Any regressor of images, also a pipeline. A `FrozenEstimator` is not fitted anew.
    {tta_parameters}

    Attributes
    ----------
    estimator_ : estimator
        The fitted regressor.
    {tta_attributes}

    See Also
    --------
    TTAClassifier : The same for classes.

    Notes
    -----
    {tta_notes}

    References
    ----------
    {tta_references}

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import Ridge
    >>> from sktransfer import TTARegressor
    >>> X = np.random.default_rng(0).integers(0, 256, (8, 6 * 6), dtype=np.uint8)
    >>> model = TTARegressor(Ridge(), image_shape=(6, 6, 1), n_views=3, random_state=0)
    >>> model.fit(X, np.linspace(0, 1, 8)).predict(X).shape
    (8,)
    """

    _parameter_constraints = {
        **_TTA._parameter_constraints,
        "estimator": [HasMethods(["fit", "predict"])],
    }

    def predict(self, X) -> np.ndarray:
        """Return the mean of the views' numbers, (n_images,) or (n_images, n_outputs)."""
        check_is_fitted(self)
        return self._mean_answer(X, self.estimator_.predict)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.regressor_tags = get_tags(self.estimator).regressor_tags
        return tags
