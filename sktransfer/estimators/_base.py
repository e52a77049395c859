"""scikeras, repaired: what every network estimator of the library has in common.

scikeras gives the frame (its classes, its names of fitted attributes, its point of override around
``Model.fit``). What it does differently from today's scikit-learn is replaced here, once: tags,
parameters, validation, targets, seeds, predictions and pickles. The mixins stand *before* scikeras'
classes among the bases, so that what they define wins.
"""

from __future__ import annotations

import copy
import itertools
import os
from collections.abc import Sequence
from dataclasses import replace
from numbers import Integral, Real
from typing import Any

import keras
import numpy as np
import pandas as pd
from scikeras.wrappers import KerasClassifier, KerasRegressor
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.model_selection import train_test_split
from sklearn.utils import ClassifierTags, RegressorTags, check_random_state
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.validation import check_is_fitted

from sktransfer._seeding import seeded_build
from sktransfer._validation import (
    Interval,
    StrOptions,
    check_same_length,
    check_sample_weight,
    names_by_constructor,
    validate_parameters,
)
from sktransfer.backbones._describe import count_parameters, layer_table, summary
from sktransfer.backbones._inference import load_ahead
from sktransfer.estimators._architecture import layers_of
from sktransfer.estimators._checkpoint import Checkpoint, Progress, check_folder
from sktransfer.estimators._distribution import OneNetwork
from sktransfer.estimators._feature_training import train_on_features
from sktransfer.estimators._forward import predict_blocks, predict_features
from sktransfer.estimators._layers import LAYER_CONSTRAINTS
from sktransfer.estimators._losses import (
    as_distributions,
    classification_loss,
    effective_weights,
)
from sktransfer.estimators._program_pool import borrowed_twin
from sktransfer.estimators._schedules import SCHEDULES, scheduled_rates
from sktransfer.estimators._targets import ClassTargets, NumberTargets, check_class_weight
from sktransfer.estimators._training import (
    Examples,
    Features,
    Plan,
    RefuseDivergence,
    Rows,
    build_metrics,
    n_batches,
    train,
)
from sktransfer.estimators._updates import UpdateRules, restart_averages
from sktransfer.images import Mixing

TRAINING_CONSTRAINTS: dict[str, list] = {
    "optimizer": [StrOptions({"adam", "adamw", "sgd", "rmsprop", "nadam"})],
    "learning_rate": [Interval(Real, 0, None, closed="neither")],
    "learning_rate_schedule": [StrOptions(set(SCHEDULES))],
    "warmup_epochs": [Interval(Real, 0, None, closed="left")],
    "momentum": [Interval(Real, 0, 1, closed="left")],
    "weight_decay": [Interval(Real, 0, None, closed="left"), None],
    "global_clipnorm": [Interval(Real, 0, None, closed="neither"), None],
    "gradient_accumulation_steps": [Interval(Integral, 1, None, closed="left")],
    "ema_momentum": [Interval(Real, 0, 1, closed="left"), None],
    "batch_size": [Interval(Integral, 1, None, closed="left")],
    "epochs": [Interval(Integral, 1, None, closed="left")],
    "validation_split": [Interval(Real, 0, 1, closed="left"), None],
    "early_stopping": ["boolean"],
    "patience": [Interval(Integral, 0, None, closed="left")],
    "warm_start": ["boolean"],
    "checkpoint": [str, os.PathLike, None],
    "callbacks": [list, tuple, None],
    "random_state": ["random_state"],
    "verbose": ["verbose"],
}

PREDICTION_BATCH = 32
"""Rows in a prediction's batch, the last one padded: each is computed alike among any others."""

EARLY_STOPPING_SPLIT = 0.1
"""What early stopping sets aside for validation when nothing else is said."""


class NetworkEstimator(BaseEstimator):
    """Fit, predict, describe and pickle a Keras network by scikit-learn's rules.

    A subclass says how rows are read (`_check_rows`) and how its network is built
    (`_build_network`). Where augmentation or frozen layers ask for it, it also says what the
    network is trained on (`_training_rows`), and which part of it that is (`_part_to_train`,
    `_inference_rows`).
    """

    _parameter_constraints: dict[str, list] = {**LAYER_CONSTRAINTS, **TRAINING_CONSTRAINTS}

    history_: dict[str, list[float]]
    epoch_seconds_: list[float]
    n_iter_: int

    # scikit-learn's own, which scikeras replaces by versions that accept any name.
    _get_param_names: Any = classmethod(names_by_constructor)
    set_params = BaseEstimator.set_params
    __repr__ = BaseEstimator.__repr__

    # Hooks -------------------------------------------------------------------------------------

    def _check_rows(self, X: Any, *, reset: bool) -> Rows:
        """Validate X, before anything long is done, and return its rows."""
        raise NotImplementedError

    def _training_rows(self, rows: Rows) -> Rows:
        """Return what `_trained` is trained on, such as augmented views."""
        return self._inference_rows(rows)

    def _inference_rows(self, rows: Rows) -> Rows:
        """Return what `_trained` predicts from."""
        return rows

    def _shortened(
        self, training: Examples, validation: Examples | None
    ) -> tuple[keras.Model, Examples, Examples | None]:
        """Return what is trained and on what: `_trained`, or an end of it that trains alike."""
        return self._trained, training, validation

    def _part_to_train(self, network: keras.Model) -> keras.Model:
        """Return what is compiled and trained of `model_`: all of it, or its end."""
        return network

    def _build_network(self) -> keras.Model:
        """Build the network, which ends in the activation of `target_encoder_`."""
        raise NotImplementedError

    @property
    def _mixing(self) -> Mixing | None:
        """Return how the rows of a batch are mixed in training."""
        return None

    @property
    def _distribution(self) -> str | None:
        """Return how training is spread over devices, if it is."""
        return None

    @property
    def _update_rules(self) -> UpdateRules:
        """Return how the weights are updated beyond what the optimizer knows."""
        return UpdateRules()

    def _starts(self, network: keras.Model) -> Sequence[np.ndarray]:
        """Return what the update rules pull the trainable weights of a backbone to."""
        return ()

    def _change_stage(self, epoch: int) -> bool:
        """Let another part of the network train if it begins with an epoch; return whether."""
        return False

    def _stages_between(self, start: int, stop: int) -> list[int]:
        """Return the epochs behind `start` and before `stop` in which a stage begins."""
        return []

    def _loss_targets(self, encoded: np.ndarray) -> np.ndarray:
        """Return encoded targets as the loss takes them."""
        return encoded

    @property
    def _loss(self) -> Any:
        """Return the loss, as `keras.Model.compile` takes it."""
        return self.target_encoder_.loss

    @property
    def _metric(self) -> Any:
        """Return the metric in `history_`, as `keras.Model.compile` takes it."""
        return self.target_encoder_.metric

    # Network -----------------------------------------------------------------------------------

    @property
    def model_(self) -> keras.Model:
        """Return the network; that of a pickle is built as it is first asked for."""
        if hasattr(self, "_packed_network"):
            self._unpack_network()
        return self._network

    @model_.setter
    def model_(self, network: keras.Model) -> None:
        self._network = network
        self.__dict__.pop("_packed_network", None)

    @property
    def _trained(self) -> keras.Model:
        """Return the network that is compiled and trained: `model_`, or its end."""
        return self._part_to_train(self.model_)

    # Fit ---------------------------------------------------------------------------------------

    def fit(self, X, y, sample_weight=None, *, X_val=None, y_val=None):
        """Train the network.

        Parameters
        ----------
        X : array-like
            Training data, of the kind that the class documents.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows. Rows of weight zero are not looked at.
        X_val, y_val : array-like, default=None
            Validation data, evaluated after each epoch and never trained on. They replace the part
            that `validation_split` would set aside.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        self._check_parameters()
        resume = self.warm_start and self.__sklearn_is_fitted__()
        rows, targets = self._check_data(X, y, reset=not resume)
        self._fit(rows, targets, sample_weight, y, X_val, y_val, resume=resume)
        return self

    def _partial_fit(self, X, y, sample_weight, classes=None):
        """Train for one epoch more, going on with the weights and the optimizer that there are."""
        self._check_parameters()
        resume = self.__sklearn_is_fitted__()
        rows, targets = self._check_data(X, y, reset=not resume, classes=classes)
        training = self._examples(rows, targets, y, sample_weight)
        if not resume:
            self._start(training.rows)
        is_new = self._change_stage(self.current_epoch) or not resume
        is_new = is_new or not self._trained.compiled  # as behind a fit that failed early
        optimizer = self._new_optimizer() if is_new else self._trained.optimizer
        training = self._to_train_on(training)
        self._compile(self._trained, optimizer)  # the loss may have been set anew
        self._trained.optimizer.learning_rate = self.learning_rate
        restart_averages(self._trained)
        self._fit_keras_model(
            training,
            None,
            epochs=1,
            initial_epoch=self.current_epoch,
            callbacks=self._copied_callbacks(),
        )
        self.n_iter_ = self.current_epoch
        return self

    def _fit(self, rows, targets, sample_weight, y, X_val, y_val, *, resume: bool) -> None:
        """Train on checked data, from the start or from the weights that there are."""
        training = self._examples(rows, targets, y, sample_weight)
        validation = self._validation(X_val, y_val)
        checkpoint = Checkpoint.of(self, training, validation, self.model_ if resume else None)
        if validation is None:
            training, validation = self._split(training, checkpoint.random_state)
        if not resume:
            self._start(training.rows, checkpoint.random_state)
        self._train(training, validation, checkpoint)
        self.n_iter_ = self.current_epoch
        checkpoint.remove()

    def _train(
        self, training: Examples, validation: Examples | None, checkpoint: Checkpoint
    ) -> None:
        """Train in stages, but for those that are done."""
        start = self.current_epoch
        stop = start + self.epochs
        begins = [start, *self._stages_between(start, stop), stop]
        self._check_updates(min(np.diff(begins)) * n_batches(training, self.batch_size))
        for stage, (begin, end) in enumerate(itertools.pairwise(begins)):
            self._change_stage(begin)
            if stage >= checkpoint.stage:
                self._train_stage(training, validation, end - begin, stage, checkpoint)

    def _check_updates(self, n_steps: int) -> None:
        """Refuse to train for so few steps that their gradients make no update."""
        if self.gradient_accumulation_steps > n_steps:
            raise ValueError(
                f"gradient_accumulation_steps={self.gradient_accumulation_steps} is more than the "
                f"{n_steps} steps of the fit, or of one of its stages: nothing would be learned"
            )

    def _train_stage(
        self,
        training: Examples,
        validation: Examples | None,
        epochs: int,
        stage: int,
        checkpoint: Checkpoint,
    ) -> None:
        """Train with a new optimizer and a schedule of its own."""
        progress = checkpoint.enter(stage, self.history_, self.epoch_seconds_)
        self.history_, self.epoch_seconds_ = progress.history, progress.seconds
        training = self._to_train_on(training)
        if validation is not None:
            validation = self._with_targets(validation, self._inference_rows(validation.rows))
        rates = self._rates_for(training, epochs)
        self._compile(self._trained, self._new_optimizer())
        if rates is not None:
            self._trained.optimizer.learning_rate = rates[0]
        n_done = progress.n_epochs
        self._fit_keras_model(
            training,
            validation,
            epochs=epochs - n_done,
            initial_epoch=self.current_epoch,
            callbacks=self._fit_callbacks_for(validation, checkpoint, progress),
            rates=None if rates is None else rates[n_done * n_batches(training, self.batch_size) :],
        )
        if rates is not None:  # for what may follow
            self._trained.optimizer.learning_rate = rates[0]

    def _to_train_on(self, training: Examples) -> Examples:
        """Return examples as `_trained` is trained on them."""
        return self._with_targets(training, self._training_rows(training.rows))

    def _with_targets(self, examples: Examples, rows: Rows) -> Examples:
        """Return examples over other rows, with targets as the loss takes them."""
        return replace(examples, rows=rows, targets=self._loss_targets(examples.targets))

    def _check_parameters(self) -> None:
        """Check every parameter before anything else is done."""
        validate_parameters(self)
        check_folder(self.checkpoint)
        if self.warmup_epochs > self.epochs:
            raise ValueError(
                f"warmup_epochs={self.warmup_epochs} is more than there are: epochs={self.epochs}"
            )
        if self.warmup_epochs and self.learning_rate_schedule == "one_cycle":
            raise ValueError(
                'learning_rate_schedule="one_cycle" has a warm-up of its own; warmup_epochs must '
                f"be 0, got {self.warmup_epochs}"
            )
        for position, callback in enumerate(self.callbacks or ()):
            if not isinstance(callback, keras.callbacks.Callback):
                raise TypeError(
                    f"callbacks[{position}] must be a keras.callbacks.Callback, got {callback!r}"
                )

    def _check_data(self, X, y, *, reset: bool, classes=None) -> tuple[Rows, np.ndarray]:
        """Return the rows of X and the encoded y, the cheaper check first."""
        if y is None:
            raise ValueError(
                f"This {type(self).__name__} estimator requires y to be passed, "
                "but the target y is None."
            )
        if reset and hasattr(self, "n_iter_"):
            del self.n_iter_  # not fitted until training has ended: the old network has old classes
        rows = self._check_rows(X, reset=reset)
        if reset:
            self._learn_targets(y, classes)
        targets = self.target_encoder_.encode(y)
        check_same_length("X", rows, "y", targets)
        return rows, targets

    def _weights(self, rows: Rows, y, sample_weight) -> np.ndarray | None:
        """Return the weights of the rows as float32, or None where all are equal."""
        if sample_weight is None:
            return None
        weights = check_sample_weight(sample_weight, rows, dtype=np.float32, copy=True)
        if (weights < 0).any():
            raise ValueError(f"sample_weight must not be negative, got {weights.min()}")
        return weights

    def _examples(self, rows: Rows, targets: np.ndarray, y, sample_weight) -> Examples:
        """Return the examples that count: those whose weight is not zero."""
        weights = self._weights(rows, y, sample_weight)
        examples = Examples(rows, targets, weights)
        if weights is None:
            return examples
        if not weights.any():
            raise ValueError(
                "sample_weight and class_weight are zero for every row: there is nothing to "
                "train on"
            )
        return examples.subset(np.flatnonzero(weights))

    def _validation(self, X_val, y_val) -> Examples | None:
        """Return the validation data that are given, if they are."""
        if (X_val is None) != (y_val is None):
            missing = "X_val" if X_val is None else "y_val"
            raise ValueError(f"X_val and y_val must be given together, got {missing}=None")
        if X_val is None:
            return None
        try:
            rows = self._check_rows(X_val, reset=False)
        except (TypeError, ValueError) as error:
            raise type(error)(f"X_val: {error}") from error
        targets = self.target_encoder_.encode(y_val, name="y_val")
        check_same_length("X_val", rows, "y_val", targets)
        return Examples(rows, targets)

    def _split(self, examples: Examples, random_state) -> tuple[Examples, Examples | None]:
        """Return what to train on, and what is set aside for validation, if it is."""
        split = self.validation_split
        if split is None:
            split = EARLY_STOPPING_SPLIT if self.early_stopping else 0.0
        if split == 0:
            if self.early_stopping:
                raise ValueError(
                    "early_stopping=True needs validation data: validation_split greater than 0, "
                    "or X_val and y_val in fit; got validation_split=0"
                )
            return examples, None
        try:
            kept, held_out = train_test_split(
                np.arange(len(examples)),
                test_size=split,
                stratify=self.target_encoder_.strata(examples.targets),
                random_state=check_random_state(random_state),
            )
        except ValueError as error:
            raise ValueError(
                f"validation_split={split} of {len(examples)} rows is not possible: {error}"
            ) from error
        return examples.subset(kept), examples.subset(held_out)

    def _start(self, rows: Rows, random_state: Any = None) -> None:
        """Build a network of fresh weights for training on rows, and forget the history."""
        random_state = self.random_state if random_state is None else random_state
        self._seed = int(check_random_state(random_state).randint(2**31 - 1))
        self.history_ = {}
        self.epoch_seconds_ = []
        with seeded_build(self._seed):
            self.model_ = self._build_network()
        self.parameter_counts_ = count_parameters(self.model_)

    def _new_optimizer(self) -> keras.optimizers.Optimizer:
        """Make the optimizer that the parameters ask for."""
        config = {
            "learning_rate": float(self.learning_rate),  # Keras takes no other number
            # Named, as TensorFlow keeps something of every name that a variable ever had, and
            # Keras would number the optimizers.
            "name": self.optimizer,
        }
        if self.global_clipnorm is not None:
            config["global_clipnorm"] = float(self.global_clipnorm)
        if self.optimizer == "sgd":
            config |= {"momentum": float(self.momentum), "nesterov": self.momentum > 0}
        if self.weight_decay is not None:
            config["weight_decay"] = float(self.weight_decay)
        if self.gradient_accumulation_steps > 1:
            config["gradient_accumulation_steps"] = int(self.gradient_accumulation_steps)
        if self.ema_momentum is not None:
            config |= {"use_ema": True, "ema_momentum": float(self.ema_momentum)}
        return keras.optimizers.get({"class_name": self.optimizer, "config": config})

    def _compile(self, network: keras.Model, optimizer: keras.optimizers.Optimizer) -> None:
        """Make a network ready to train with an optimizer."""
        network.compile(
            optimizer=optimizer,
            loss=self._loss,
            metrics=[self._metric],
            jit_compile=False,  # measured: XLA is ten times slower on a CPU's convolutions
        )

    def _fit_keras_model(
        self, training, validation, *, epochs, initial_epoch, callbacks, rates=None
    ):
        """Train the compiled network and write the books (scikeras' point of override)."""
        # Images are gathered, decoded and augmented batch by batch; features lie ready.
        on_features = isinstance(training.rows, Features)
        run = train_on_features if on_features else self._train_twin
        network, training, validation = self._shortened(training, validation)
        of_devices = [] if self._distribution is None else [OneNetwork()]
        plan = Plan(
            epochs=epochs,
            initial_epoch=initial_epoch,
            batch_size=self.batch_size,
            seed=self._seed,
            callbacks=[RefuseDivergence(), *of_devices, *callbacks],
            rates=rates,
            mixing=self._mixing,
            verbose=int(self.verbose),
        )
        history, seconds = run(network, training, validation, plan)
        for name, values in history.items():
            self.history_.setdefault(name, []).extend(values)
        self.epoch_seconds_ = self.epoch_seconds_ + seconds

    def _train_twin(
        self, network: keras.Model, training: Examples, validation: Examples | None, plan: Plan
    ) -> tuple[dict[str, list[float]], list[float]]:
        """Train a network's numbers in one that has been traced before, where there is one."""
        rules, starts = self._update_rules, self._starts(network)
        with borrowed_twin(network, rules, starts, self._distribution) as twin:
            build_metrics(twin, training.targets)
            return train(twin, training, validation, plan)

    def _copied_callbacks(self) -> list[keras.callbacks.Callback]:
        """Return fresh callbacks: a callback keeps the state of the fit that it has seen."""
        return copy.deepcopy(list(self.callbacks or ()))

    def _fit_callbacks_for(
        self, validation: Examples | None, checkpoint: Checkpoint, progress: Progress
    ) -> list[keras.callbacks.Callback]:
        """Return the user's callbacks and those that the parameters ask for."""
        before, after = [], []
        stops_early = self.early_stopping and validation is not None
        if self.ema_momentum is not None:
            # What is evaluated, and kept as the best, are the averages.
            before.append(keras.callbacks.SwapEMAWeights(swap_on_epoch=stops_early))
        if stops_early:
            after.append(
                keras.callbacks.EarlyStopping(
                    monitor="val_loss", patience=self.patience, restore_best_weights=True
                )
            )
        before += checkpoint.keepers(progress, *after)
        return [*before, *self._copied_callbacks(), *after]

    def _rates_for(self, training: Examples, epochs: int) -> np.ndarray | None:
        """Return the learning rate before and after each step, or None where it is constant."""
        steps = n_batches(training, self.batch_size)
        return scheduled_rates(
            self.learning_rate_schedule,
            self.learning_rate,
            epochs * steps,
            round(self.warmup_epochs * steps),
        )

    # Predict -----------------------------------------------------------------------------------

    def _outputs(self, X) -> np.ndarray:
        """Return the network's outputs (n_samples, n_outputs), float32."""
        check_is_fitted(self)
        rows = self._inference_rows(self._check_rows(X, reset=False))
        if isinstance(rows, Features):
            return predict_features(self._trained, rows.matrix())
        blocks = load_ahead(rows.take, len(rows), PREDICTION_BATCH)
        return predict_blocks(self._trained, (block for _, block in blocks), PREDICTION_BATCH)

    @property
    def current_epoch(self) -> int:
        """Number of epochs trained since the network was built."""
        return len(getattr(self, "history_", {}).get("loss", ()))

    # Describe ----------------------------------------------------------------------------------

    def layer_table(self) -> pd.DataFrame:
        """Return the network's layers: type, name, whether trainable, number of parameters."""
        check_is_fitted(self)
        return layer_table(self.model_)

    def summary(self) -> str:
        """Return Keras' summary of the network as text."""
        check_is_fitted(self)
        return summary(self.model_)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "n_iter_")

    # Pickle ------------------------------------------------------------------------------------

    def __getstate__(self) -> dict:
        """Replace the network by its description and its numbers."""
        state = super().__getstate__().copy()
        network = state.pop("_network", None)
        if network is not None and "_packed_network" not in state:
            state["_packed_network"] = _pack(network, self._part_to_train(network))
        return state

    def _unpack_network(self) -> None:
        """Build the network that a pickle has brought.

        Not as the pickle is read: a worker that has been forked would die of the refusal, where
        that of a task is handed back, and a process may pass on what it never uses.
        """
        with seeded_build(0):  # in one thread at a time
            packed = self.__dict__.get("_packed_network")
            if packed is None:
                return  # another thread was faster
            network = _unpack(packed)
            trained = self._part_to_train(network)
            if packed["optimizer"]:
                self._compile(trained, keras.optimizers.deserialize(packed["optimizer"]))
                _restore_moments(trained, packed["moments"])
            self.model_ = network


class NetworkClassifier(NetworkEstimator, KerasClassifier):
    """A network that classifies."""

    _parameter_constraints = {
        **NetworkEstimator._parameter_constraints,
        "class_weight": [dict, StrOptions({"balanced", "effective"}), None],
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
        "focal_gamma": [Interval(Real, 0, None, closed="left")],
    }

    score = ClassifierMixin.score

    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Train for one epoch more.

        Parameters
        ----------
        X : array-like
            Training data.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Targets.
        classes : array-like of shape (n_classes,), default=None
            All classes there are; needed at the first call where `y` may not hold them all.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        self : object
            The estimator.
        """
        if self.__sklearn_is_fitted__():
            self.target_encoder_.check_classes(classes)
        return self._partial_fit(X, y, sample_weight, classes)

    def predict(self, X) -> np.ndarray:
        """Predict classes (n_samples,), or label indicators (n_samples, n_labels)."""
        outputs = self._outputs(X)
        return self.target_encoder_.decode(outputs)

    def predict_proba(self, X) -> np.ndarray:
        """Predict probabilities of the classes in `classes_`, float32 (n_samples, n_classes)."""
        return self._outputs(X)

    def _learn_targets(self, y, classes) -> None:
        self.target_encoder_ = ClassTargets.of(y, classes)
        self.classes_ = self.target_encoder_.classes

    def _weights(self, rows: Rows, y, sample_weight) -> np.ndarray | None:
        weights = super()._weights(rows, y, sample_weight)
        if self.class_weight is None or (weights is not None and not weights.any()):
            return weights
        if self.target_encoder_.multilabel and self.class_weight != "balanced":
            raise ValueError(
                'class_weight must be "balanced" or None where y holds label indicators, got '
                f"{self.class_weight!r}"
            )
        check_class_weight(self.class_weight, self.classes_)
        class_weight = self.class_weight
        if class_weight == "effective":
            class_weight = self._effective_weights(y, weights)
        if isinstance(class_weight, dict):  # complete, as a batch may lack a class with a weight
            class_weight = {**dict.fromkeys(self.classes_.tolist(), 1), **class_weight}
        of_class = compute_sample_weight(class_weight, y).astype(np.float32)
        return of_class if weights is None else weights * of_class

    def _effective_weights(self, y, weights: np.ndarray | None) -> dict:
        """Return the weight of each class by its effective number of samples that count."""
        encoded = self.target_encoder_.encode(y)
        if weights is not None:
            encoded = encoded[weights > 0]
        of_class = effective_weights(encoded, len(self.classes_))
        return dict(zip(self.classes_.tolist(), of_class, strict=True))

    @property
    def _needs_distributions(self) -> bool:
        """Whether the loss is one of distributions over the classes."""
        return bool(self.label_smoothing or self.focal_gamma or self._mixing)

    def _loss_targets(self, encoded: np.ndarray) -> np.ndarray:
        if not self._needs_distributions:
            return encoded
        return as_distributions(self.target_encoder_, encoded)

    @property
    def _loss(self) -> Any:
        return classification_loss(
            self.target_encoder_,
            label_smoothing=self.label_smoothing,
            focal_gamma=self.focal_gamma,
            distributions=self._needs_distributions,
        )

    @property
    def _metric(self) -> Any:
        if self.target_encoder_.multilabel:
            # By its name Keras would compare the highest of each row, as of classes.
            return keras.metrics.BinaryAccuracy(name=self.target_encoder_.metric)
        return self.target_encoder_.metric

    def __sklearn_tags__(self):
        tags = BaseEstimator.__sklearn_tags__(self)
        tags.estimator_type = "classifier"
        tags.classifier_tags = ClassifierTags(multi_label=True)
        tags.target_tags.required = True
        tags.target_tags.multi_output = True
        return tags


class NetworkRegressor(NetworkEstimator, KerasRegressor):
    """A network that predicts numbers."""

    score = RegressorMixin.score

    def partial_fit(self, X, y, sample_weight=None):
        """Train for one epoch more.

        Parameters
        ----------
        X : array-like
            Training data.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        self : object
            The estimator.
        """
        return self._partial_fit(X, y, sample_weight)

    def predict(self, X) -> np.ndarray:
        """Predict numbers, float64 of shape (n_samples,) or (n_samples, n_outputs)."""
        outputs = self._outputs(X)
        return self.target_encoder_.decode(outputs)

    def _learn_targets(self, y, classes) -> None:
        self.target_encoder_ = NumberTargets.of(y)

    def __sklearn_tags__(self):
        tags = BaseEstimator.__sklearn_tags__(self)
        tags.estimator_type = "regressor"
        tags.regressor_tags = RegressorTags()
        tags.target_tags.required = True
        tags.target_tags.multi_output = True
        return tags


def _pack(network: keras.Model, trained: keras.Model) -> dict:
    """Describe a network and the state of its training by data alone."""
    # There is none, or an empty one, where a fit has failed before its first step.
    optimizer = trained.optimizer if trained.compiled and trained.optimizer.built else None
    return {
        "config": layers_of(network),
        # Not only the weights: dropout layers count what they have drawn.
        "variables": [variable.numpy() for variable in network.variables],
        "trainable": [weight.trainable for weight in network.weights],
        "optimizer": keras.optimizers.serialize(optimizer) if optimizer else {},
        "moments": [variable.numpy() for variable in optimizer.variables] if optimizer else [],
    }


def _unpack(packed: dict) -> keras.Model:
    """Build the network that `_pack` described."""
    network = keras.Model.from_config(copy.deepcopy(packed["config"]))  # which changes it
    for variable, value in zip(network.variables, packed["variables"], strict=True):
        variable.assign(value)
    for weight, trainable in zip(network.weights, packed["trainable"], strict=True):
        weight.trainable = trainable
    return network


def _restore_moments(network: keras.Model, moments: list[np.ndarray]) -> None:
    """Put an optimizer's moments back, so that training goes on where it was."""
    optimizer = network.optimizer
    optimizer.build(network.trainable_variables)
    for variable, value in zip(optimizer.variables, moments, strict=True):
        variable.assign(value)
