"""The named strategies: what they are made of, and that the study's are the study's."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

from sktransfer import (
    BackboneFeatures,
    DenseHead,
    ImageAugmentation,
    get_backbone,
    list_strategies,
    load,
    make_strategy,
    save,
)
from sktransfer.strategies import BEST_INPUT, RECIPES, STRATEGIES

# Parameters of the networks of the CIFAR-10 study: total, trainable, non-trainable. Of those on
# features, the study counts the head alone.
STUDY_COUNTS = {
    ("cnn", None): (442_026, 442_026, 0),
    ("cnn+augment", None): (1_981_066, 1_981_066, 0),
    ("features", "vgg16"): (268_042, 268_042, 0),
    ("features+augment", "vgg16"): (14_982_730, 268_042, 14_714_688),
    ("finetune+augment", "vgg16"): (14_982_730, 14_982_730, 0),
    ("features", "mobilenet"): (399_114, 399_114, 0),
    ("features+augment", "mobilenet"): (3_627_978, 399_114, 3_228_864),
    ("finetune+augment", "mobilenet"): (3_627_978, 3_606_090, 21_888),
}
STUDY_BACKBONES = {"vgg16": 14_714_688, "mobilenet": 3_228_864}

every_name = pytest.mark.parametrize("name", STRATEGIES)
every_recipe = pytest.mark.parametrize("recipe", RECIPES)


def steps_of(strategy) -> list:
    """The estimators that a strategy is made of; the last one classifies."""
    return [*strategy] if isinstance(strategy, Pipeline) else [strategy]


@pytest.fixture(scope="module")
def ten_classes() -> tuple[np.ndarray, np.ndarray]:
    """An image of each of ten classes, uint8 (10, 32, 32, 3)."""
    X = np.random.default_rng(0).integers(0, 256, (10, 32, 32, 3), dtype=np.uint8)
    return X, np.array([f"class {k}" for k in range(10)])


# What is made ----------------------------------------------------------------------------------


@every_recipe
@every_name
def test_every_strategy_is_an_unfitted_classifier_that_clones(name, recipe):
    strategy = make_strategy(name, "mobilenet", recipe=recipe, weights=None)
    assert is_classifier(strategy)
    with pytest.raises(NotFittedError):
        check_is_fitted(steps_of(strategy)[-1])
    copy = clone(strategy)
    assert repr(copy) == repr(strategy)
    assert {*copy.get_params()} == {*strategy.get_params()}


@every_name
def test_recipes_differ(name):
    best, study = (make_strategy(name, recipe=recipe) for recipe in ("best", "study"))
    assert repr(best) != repr(study)
    assert repr(make_strategy(name)) == repr(best)


@every_name
def test_strategies_share_no_parameters(name):
    first, second = make_strategy(name), make_strategy(name)
    for key, value in first.get_params().items():
        if hasattr(value, "get_params"):
            assert second.get_params()[key] is not value


@pytest.mark.parametrize("backbone", sorted(BEST_INPUT))
@pytest.mark.parametrize("name", ["features", "features+augment", "linear_probe", "knn"])
def test_frozen_backbones_that_are_known_give_several_depths(name, backbone):
    best, study = (make_strategy(name, backbone, recipe=recipe) for recipe in ("best", "study"))
    first = best[0] if name != "features+augment" else best
    assert {key: first.get_params()[key] for key in BEST_INPUT[backbone]} == BEST_INPUT[backbone]
    names = get_backbone(backbone).build((32, 32, 3)).layers
    assert set(first.layers) <= {layer.name for layer in names}
    assert "layers=" not in repr(study)
    assert make_strategy("finetune", backbone).layers is None
    chosen = make_strategy(name, backbone, pooling="max", layers=None)
    chosen = chosen[0] if name != "features+augment" else chosen
    assert (chosen.pooling, chosen.layers) == ("max", None)


@pytest.mark.parametrize(
    ("epochs", "stages"),
    [
        (50, {0: "head", 40: "all"}),
        (10, {0: "head", 8: "all"}),
        (2, {0: "head", 1: "all"}),
        (1, {0: "all"}),
    ],
)
def test_stages_keep_their_shares_of_other_epochs(epochs, stages):
    assert make_strategy("finetune", epochs=epochs).unfreeze == stages


@pytest.mark.parametrize(
    ("name", "overrides", "frozen_views"),
    [
        ("finetune+augment", {}, 2),
        ("finetune+augment", {"epochs": 1}, None),
        ("finetune+augment", {"unfreeze": "all"}, None),
        ("finetune+augment", {"unfreeze": {0: "head", 1: "all"}}, 2),
        ("features+augment", {"epochs": 1}, 4),
        ("features+augment", {"unfreeze": "last_block"}, None),
    ],
)
def test_views_are_frozen_where_a_backbone_is(name, overrides, frozen_views):
    strategy = make_strategy(name, "mobilenet", weights=None, **overrides)

    assert strategy.frozen_views == frozen_views
    strategy._check_parameters()  # what `fit` does first


def test_pipelines_start_with_features_and_scale_them_in_the_best_recipe():
    best, study = (make_strategy("features", recipe=recipe) for recipe in ("best", "study"))
    assert [type(step) for step in best] == [BackboneFeatures, StandardScaler, DenseHead]
    assert [type(step) for step in study] == [BackboneFeatures, DenseHead]


def test_study_scales_pixels_as_the_study_did():
    assert make_strategy("features", recipe="study")[0].preprocessing == "rescale"
    assert make_strategy("finetune", recipe="study").preprocessing == "rescale"
    assert make_strategy("features")[0].preprocessing == "backbone"
    assert make_strategy("finetune").preprocessing == "backbone"


@every_name
def test_augmentation_is_that_of_the_recipe(name):
    presets = {"study": "study", "best": "light"}
    for recipe, preset in presets.items():
        model = steps_of(make_strategy(name, recipe=recipe))[-1]
        augmentation = getattr(model, "augmentation", None)
        if name.endswith("+augment"):
            assert repr(augmentation) == repr(ImageAugmentation.preset(preset))
        else:
            assert augmentation is None


@every_name
def test_backbone_and_weights_reach_the_step_that_has_them(name):
    strategy = make_strategy(name, "vgg16", weights="vgg.h5")
    owner = steps_of(strategy)[0]
    if name.startswith("cnn"):
        assert not hasattr(owner, "backbone")
    else:
        assert (owner.backbone, owner.weights) == ("vgg16", "vgg.h5")


def test_list_of_strategies():
    table = list_strategies().set_index("name")
    assert list(table.index) == list(STRATEGIES)
    assert list(table.columns) == ["description", "backbone", "augmentation", "network"]
    assert table["description"].is_unique
    for name, row in table.iterrows():
        steps = steps_of(make_strategy(name))
        first, last = steps[0], steps[-1]
        assert row["backbone"] == hasattr(first, "backbone")
        assert row["augmentation"] == (getattr(last, "augmentation", None) is not None)
        assert row["network"] == hasattr(last, "epochs")


# Overrides -------------------------------------------------------------------------------------


def test_override_reaches_every_step_that_has_it():
    strategy = make_strategy("features", batch_size=7, random_state=3, verbose=1, epochs=2)
    features, head = strategy["features"], strategy["head"]
    for step in (features, head):
        assert (step.batch_size, step.random_state, step.verbose) == (7, 3, 1)
    assert head.epochs == 2


@every_recipe
@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("cnn", {"epochs": 3, "learning_rate": 0.5}),
        ("finetune+augment", {"augmentation": None, "batch_size": 5}),
        ("features+augment", {"augmentation": ImageAugmentation(rotation=5)}),
        ("linear_probe", {"C": 2.0, "pooling": "max"}),
        ("knn", {"n_neighbors": 3, "input_size": 64}),
        ("features", {"preprocessing": "backbone", "dropout": 0.1}),
    ],
)
def test_override_replaces_what_the_recipe_says(name, overrides, recipe):
    strategy = make_strategy(name, recipe=recipe, **overrides)
    for parameter, value in overrides.items():
        taken = [vars(step)[parameter] for step in steps_of(strategy) if parameter in vars(step)]
        assert taken == [value]


def test_probes_have_no_epochs_to_override():
    with pytest.raises(TypeError, match="strategy 'linear_probe': Unknown parameter 'epochs'"):
        make_strategy("linear_probe", epochs=3)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"name": "finetun"}, ValueError, "Unknown strategy 'finetun'; did you mean 'finetune'"),
        ({"name": "svm"}, ValueError, "Unknown strategy 'svm'; known: .*'knn'"),
        ({"name": "cnn", "recipe": "bset"}, ValueError, "recipe 'bset'; did you mean 'best'"),
        (
            {"name": "knn", "backbone": "vg16"},
            ValueError,
            "backbone 'vg16'; did you mean .*'vgg16'",
        ),
        ({"name": "cnn", "backbone": "vg16"}, ValueError, "backbone 'vg16'"),
        (
            {"name": "features", "epoch": 3},
            TypeError,
            "strategy 'features': Unknown parameter 'epoch'; did you mean 'epochs'",
        ),
        (
            {"name": "cnn", "unfreeze": "all"},
            TypeError,
            "strategy 'cnn': Unknown parameter 'unfreeze'",
        ),
    ],
)
def test_unknown_name_is_an_error_with_near_matches(arguments, error, message):
    with pytest.raises(error, match=message):
        make_strategy(**arguments)


# The study -------------------------------------------------------------------------------------


def study_strategy(name: str, backbone: str | None):
    """A system of the study, with random weights."""
    weights = {"weights": None, "random_state": 0}
    return make_strategy(name, backbone or "vgg16", recipe="study", epochs=1, **weights)


@pytest.fixture
def no_training(monkeypatch):
    """Networks are built, but not trained."""
    trained = {"loss": [0.0]}, [0.0]
    monkeypatch.setattr("sktransfer.estimators._base.train", lambda *args, **kwargs: trained)


@pytest.mark.parametrize(("name", "backbone"), STUDY_COUNTS)
def test_networks_have_the_parameters_of_the_study(ten_classes, no_training, name, backbone):
    strategy = study_strategy(name, backbone).fit(*ten_classes)
    counts = steps_of(strategy)[-1].parameter_counts_
    assert (
        tuple(counts[kind] for kind in ("total", "trainable", "non_trainable"))
        == (STUDY_COUNTS[name, backbone])
    )
    assert steps_of(strategy)[-1].layer_table()["parameters"].sum() == counts["total"]
    if isinstance(strategy, Pipeline):
        assert strategy[0].parameter_counts_["total"] == STUDY_BACKBONES[backbone]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "backbone"), STUDY_COUNTS)
def test_systems_of_the_study_fit_and_predict(ten_classes, name, backbone):
    X, y = ten_classes
    strategy = study_strategy(name, backbone).fit(X, y)
    assert np.isfinite(steps_of(strategy)[-1].history_["loss"]).all()
    np.testing.assert_allclose(strategy.predict_proba(X).sum(axis=1), 1, rtol=1e-5)


def test_backbones_are_those_of_the_study():
    assert {name: get_backbone(name).n_parameters for name in STUDY_BACKBONES} == STUDY_BACKBONES


# Training --------------------------------------------------------------------------------------


@every_name
def test_every_strategy_of_the_best_recipe_fits_predicts_and_is_saved(
    tmp_path, small_images, small_labels, name
):
    # Fine-tuning has two stages.
    epochs = {} if name in ("linear_probe", "knn") else {"epochs": 1 + name.startswith("finetune")}
    # The training step of a network with as few layers as VGG16 is traced several times faster.
    backbone = "vgg16" if name.startswith("finetune") else "mobilenet"
    strategy = make_strategy(name, backbone, weights=None, input_size=32, **epochs)
    strategy.fit(small_images, small_labels)
    probabilities = strategy.predict_proba(small_images)
    assert probabilities.shape == (24, 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    assert set(strategy.predict(small_images)) <= set(small_labels)
    assert list(strategy.classes_) == ["bricks", "grass", "sky"]
    if name == "features+augment":
        assert strategy.frozen_views == 4, "the recipe's fast way is the one that is tested"
    save(strategy, tmp_path / "strategy.zip")
    loaded = load(tmp_path / "strategy.zip")
    np.testing.assert_array_equal(loaded.predict_proba(small_images), probabilities)
