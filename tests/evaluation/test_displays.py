"""What the displays draw, that nothing written overlaps, and what they refuse."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import confusion_matrix
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sktransfer.evaluation._statistics import compare_ranks, score_interval
from sktransfer.evaluation.displays import (
    AugmentationDisplay,
    CriticalDifferenceDisplay,
    LeaderboardDisplay,
    LearningHistoryDisplay,
    MistakesDisplay,
    ParetoDisplay,
    ReliabilityDisplay,
    TrainingSizeDisplay,
    confusion_display,
)
from sktransfer.evaluation.displays._drawing import series_look, wrap_name
from sktransfer.images import ImageAugmentation

STRATEGIES = (
    "cnn",
    "cnn+augment",
    "features",
    "features+augment",
    "finetune",
    "finetune+augment",
    "knn",
    "linear_probe",
)
BACKBONES = ("efficientnet_lite0", "mobilenet_v3_large")
NAMES = [f"{strategy}, {backbone}" for backbone in BACKBONES for strategy in STRATEGIES]
SIZES = [2, 16]


def results(n, seed=0):
    """A table of n results, costs growing by chance with the scores."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame([name.split(", ") for name in NAMES[:n]], columns=["strategy", "backbone"])
    seconds = 10 ** rng.uniform(0, 2, n)
    return table.assign(
        fit_seconds=seconds, test_accuracy=70 + 8 * np.log10(seconds) + rng.normal(0, 3, n)
    )


def drawn_boxes(figure):
    """Boxes in pixels of all texts that are drawn and not empty."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    hidden = {id(label) for ax in figure.axes for label in hidden_tick_labels(ax)}
    texts = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text()]
    return [
        text.get_window_extent(canvas.get_renderer()) for text in texts if id(text) not in hidden
    ]


def hidden_tick_labels(ax):
    """Labels that matplotlib keeps but does not draw: of ticks beyond the limits, or of no axis."""
    for axis in (ax.xaxis, ax.yaxis):
        low, high = sorted(axis.get_view_interval())
        for tick in axis.get_major_ticks():
            if not (ax.axison and low <= tick.get_loc() <= high):
                yield from (tick.label1, tick.label2)


def assert_legible(figure):
    """No text is over another one or beyond the figure."""
    boxes = drawn_boxes(figure)
    assert len(boxes) > 2
    for a, b in itertools.combinations(boxes, 2):
        overlap = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
        assert min(overlap) < 1, "two texts overlap by more than a pixel"
    assert np.min([box.min for box in boxes]) >= -1
    assert (np.max([box.max for box in boxes], axis=0) <= figure.bbox.max + 1).all()


# Names and looks ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "width", "lines"),
    [
        ("knn", 10, ["knn"]),
        ("finetune, mobilenet_v3_large", 20, ["finetune,", "mobilenet_v3_large"]),
        ("features+augment", 10, ["features+", "augment"]),
        ("x" * 12, 5, ["xxxxx", "xxxxx", "xx"]),
        ("a b c d", 3, ["a b", "c d"]),
        ("", 5, [""]),
        ("5$ and 7$", 20, [r"5\$ and 7\$"]),
    ],
)
def test_names_are_broken_behind_words_or_separators(name, width, lines):
    assert wrap_name(name, width).split("\n") == lines


def test_a_dollar_sign_begins_no_mathematics():
    display = LeaderboardDisplay([1], [1], [1], ["$x$ for 2$"]).plot()
    display.figure_.draw_without_rendering()
    (label,) = display.ax_.get_yticklabels()
    assert label._preprocess_math(label.get_text()) == ("$x$ for 2$", False)


def test_a_hundred_series_look_different():
    looks = [series_look(position) for position in range(98)]
    assert len({(look["color"], look["marker"]) for look in looks}) == 98
    assert len({look["marker"] for look in looks[:14]}) == 14


# Leaderboard ----------------------------------------------------------------------------


def test_the_best_is_on_top_with_its_interval():
    display = LeaderboardDisplay(
        [70, 90, 80], [60, 88, 79], [75, 91, 84], ["a", "b", "c"], "accuracy (%)"
    ).plot()
    ax = display.ax_
    assert [label.get_text() for label in ax.get_yticklabels()] == ["b", "c", "a"]
    dots, _, (bars,) = ax.containers[0]
    assert dots.get_xdata().tolist() == [90, 80, 70]
    ends = [segment[:, 0].tolist() for segment in bars.get_segments()]
    assert ends == [[88, 91], [79, 84], [60, 75]]
    assert ax.yaxis_inverted()
    assert [text.get_text() for text in ax.texts] == [
        "90.0 (88.0 to 91.0)",
        "80.0 (79.0 to 84.0)",
        "70.0 (60.0 to 75.0)",
    ]
    assert ax.get_xlabel() == "accuracy (%)"


def test_a_score_without_interval_is_a_dot():
    display = LeaderboardDisplay([0.5], [np.nan], [np.nan], ["a"]).plot()
    assert display.ax_.texts[0].get_text() == "0.500"
    display.figure_.draw_without_rendering()


def test_leaderboard_of_scores_has_the_intervals_of_the_statistics():
    scores = {"a": [0.7, 0.72, 0.69], "b": [0.8, 0.84, 0.83]}
    display = LeaderboardDisplay.from_scores(scores, test_fraction=0.5, confidence=0.9)
    assert display.mean == pytest.approx([np.mean(scores["a"]), np.mean(scores["b"])])
    for low, high, values in zip(display.low, display.high, scores.values(), strict=True):
        interval = score_interval(np.array(values), test_fraction=0.5, confidence=0.9)
        assert (low, high) == pytest.approx(interval)


@pytest.mark.parametrize("n", SIZES)
def test_leaderboard_is_legible(n):
    mean = np.linspace(60, 90, n)
    assert_legible(LeaderboardDisplay(mean, mean - 2, mean + 3, NAMES[:n]).plot().figure_)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1, 2], [1, 2], [1, 2], ["a"]), "a number for each of the 1 labels"),
        (([], [], [], []), "a number for each of the 0 labels"),
        (([1], [2], [3], ["a"]), "low <= mean <= high"),
    ],
)
def test_leaderboard_refuses_what_does_not_fit(arguments, message):
    with pytest.raises(ValueError, match=message):
        LeaderboardDisplay(*arguments).plot()


# Pareto front ---------------------------------------------------------------------------


def test_the_front_is_what_nothing_beats():
    rng = np.random.default_rng(0)
    cost, score = rng.integers(1, 7, 24), rng.integers(0, 7, 24)
    display = ParetoDisplay(cost, score, [str(i) for i in range(24)]).plot()
    for i, (c, s) in enumerate(zip(cost, score, strict=True)):
        beaten = ((cost <= c) & (score >= s) & ((cost < c) | (score > s))).any()
        assert display.front_[i] == (not beaten)


def test_the_front_is_drawn_as_the_best_score_for_each_cost():
    display = ParetoDisplay([1, 10, 5, 100], [50, 70, 40, 90], list("abcd")).plot()
    (line,) = display.ax_.lines
    corners = [(1, 50), (10, 50), (10, 70), (100, 70), (100, 90)]
    assert line.get_xydata().tolist() == [list(corner) for corner in corners]
    on_front, beaten = display.ax_.collections
    assert on_front.get_offsets().tolist() == [[1, 50], [10, 70], [100, 90]]
    assert beaten.get_offsets().tolist() == [[5, 40]]
    assert display.ax_.get_xscale() == "log"
    assert to_hex(on_front.get_facecolor()[0]) != to_hex(beaten.get_facecolor()[0])
    assert len(on_front.get_paths()[0]) != len(beaten.get_paths()[0])  # another marker
    legend = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert legend == ["Pareto front", "on the front", "beaten"]


def test_results_are_averaged_by_strategy_and_backbone():
    table = pd.DataFrame(
        {
            "strategy": ["knn", "cnn", "knn", "cnn"],
            "backbone": ["vgg16", "", "vgg16", None],
            "flops": [10, 4, 30, 6],
            "f1_macro": [0.5, 0.1, 0.7, np.nan],
        }
    )
    display = ParetoDisplay.from_results(table, cost="flops", score="f1_macro")
    assert display.labels == ["knn, vgg16", "cnn"]
    assert display.cost.tolist() == [20, 4]
    assert display.score == pytest.approx([0.6, 0.1])
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("flops", "f1 macro")
    again = ParetoDisplay([20, 4], [0.6, 0.1], display.labels, "flops", "f1 macro").plot()
    np.testing.assert_allclose(display.ax_.lines[0].get_xydata(), again.ax_.lines[0].get_xydata())


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("seed", range(3))
def test_pareto_display_is_legible(n, seed):
    display = ParetoDisplay.from_results(results(n, seed))
    assert_legible(display.figure_)
    written = [text.get_text() for text in display.ax_.texts if text.get_text()]
    assert written == [wrap_name(name, 20) for name in display.labels]


def test_names_of_crowded_points_are_moved_and_joined_by_lines():
    table = results(16)
    crowded = table.assign(fit_seconds=10.0, test_accuracy=80 + np.arange(16) / 100)
    crowded.loc[15, ["fit_seconds", "test_accuracy"]] = (100.0, 95.0)
    display = ParetoDisplay.from_results(crowded)
    assert_legible(display.figure_)
    leaders = [text for text in display.ax_.texts if not text.get_text()]
    assert len(leaders) > 5
    assert all(text.arrow_patch is not None for text in leaders)


@pytest.mark.parametrize(
    ("cost", "label"), [(2e6, "2M"), (2e9, "2G"), (20, "20"), (0.2, "0.2"), (20_000, "20k")]
)
def test_costs_of_every_size_are_readable(cost, label):
    display = ParetoDisplay([cost / 9, cost * 9], [1, 2], ["a", "b"]).plot()
    display.figure_.draw_without_rendering()
    assert label in [text.get_text() for text in display.ax_.get_xticklabels()]


def test_pareto_display_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match=r"must have the columns \['price'\]"):
        ParetoDisplay.from_results(results(2), cost="price")
    with pytest.raises(ValueError, match="cost must be positive"):
        ParetoDisplay([0, 1], [1, 2], ["a", "b"]).plot()
    with pytest.raises(ValueError, match="a number for each of the 1 labels"):
        ParetoDisplay([1, 1], [1, 2], ["a"]).plot()


# Learning history -----------------------------------------------------------------------


class Network:
    history_ = {
        "loss": [2.0, 1.0],
        "val_loss": [2.5, None],
        "accuracy": [0.4, 0.5],
        "val_accuracy": [0.3, 0.45],
    }


def test_history_of_the_last_step_is_drawn():
    pipeline = make_pipeline(FunctionTransformer(), Network())
    display = LearningHistoryDisplay.from_estimator(pipeline)
    assert display.history is Network.history_
    training, validation = display.ax_.lines
    assert training.get_ydata().tolist() == [2, 1]
    assert validation.get_xdata().tolist() == [1, 2]
    assert np.isnan(validation.get_ydata()[1])
    assert training.get_linestyle() != validation.get_linestyle()


def test_accuracy_is_drawn_in_percent_and_lines_take_properties():
    ax = Figure().subplots()
    ax.plot([0], [0])
    display = LearningHistoryDisplay.from_estimator(
        Network(), metric="accuracy", ax=ax, linewidth=3
    )
    assert display.ax_ is ax
    assert [line.get_linewidth() for line in ax.lines[1:]] == [3, 3]
    assert ax.lines[0].get_linewidth() != 3
    assert ax.lines[2].get_ydata() == pytest.approx([30, 45])
    assert ax.get_ylabel() == "accuracy (%)"


def test_history_must_be_there():
    with pytest.raises(TypeError, match="must be a fitted network with history_"):
        LearningHistoryDisplay.from_estimator(LogisticRegression())
    with pytest.raises(ValueError, match=r"metric='auc' is not in the history, which has \['loss"):
        LearningHistoryDisplay.from_estimator(Network(), metric="auc")


# Training size --------------------------------------------------------------------------


def sized_results(n, sizes=(20, 100, 500), repeats=3):
    rng = np.random.default_rng(0)
    tables = [
        results(n).assign(train_images=size, test_accuracy=results(n)["test_accuracy"] + noise)
        for size in sizes
        for noise in rng.normal(np.log(size), 1, repeats)
    ]
    return pd.concat(tables, ignore_index=True)


def test_sizes_have_students_intervals_of_their_means():
    table = sized_results(2).iloc[:-2]  # the last size of each strategy has one row less
    display = TrainingSizeDisplay.from_results(table, confidence=0.9)
    assert display.train_sizes.tolist() == [20, 100, 500]
    assert display.labels == NAMES[:2]
    for row, column in itertools.product(range(2), range(3)):
        strategy, size = STRATEGIES[row], display.train_sizes[column]
        values = table[(table.strategy == strategy) & (table.train_images == size)].test_accuracy
        interval = stats.t.interval(0.9, len(values) - 1, values.mean(), stats.sem(values))
        found = display.low[row, column], display.high[row, column]
        assert found == pytest.approx(interval)
        assert display.mean[row, column] == pytest.approx(values.mean())


def test_single_rows_have_no_interval_and_missing_sizes_no_point():
    table = sized_results(2, repeats=1).iloc[:-1].astype({"train_images": "Int64"})
    display = TrainingSizeDisplay.from_results(table)
    assert np.isnan(display.low).all()
    assert np.isnan(display.mean).tolist() == [[False] * 3, [False, False, True]]


def test_points_of_one_size_stand_side_by_side():
    display = TrainingSizeDisplay.from_results(sized_results(16))
    x = np.array([container[0].get_xdata() for container in display.ax_.containers])
    assert (np.diff(x, axis=0) > 0).all()
    # and nearer to their size than to any other
    middle = np.sqrt(np.multiply(*display.train_sizes[[0, 1]]))
    assert x[:, 0].max() < middle < x[:, 1].min()
    looks = {
        (container[0].get_color(), container[0].get_marker())
        for container in display.ax_.containers
    }
    assert len(looks) == 16


@pytest.mark.parametrize("n", SIZES)
def test_training_sizes_are_legible(n):
    display = TrainingSizeDisplay.from_results(sized_results(n))
    assert_legible(display.figure_)
    ticks = [label.get_text() for label in display.ax_.get_xticklabels()]
    assert ticks == ["20", "100", "500"]


def test_training_sizes_refuse_what_does_not_fit():
    with pytest.raises(ValueError, match=r"\(1, 2\); got \(1, 1\)"):
        TrainingSizeDisplay([1, 2], [[1]], [[1]], [[1]], ["a"]).plot()
    with pytest.raises(ValueError, match="positive and increasing"):
        TrainingSizeDisplay([2, 1], [[1, 1]], [[1, 1]], [[1, 1]], ["a"]).plot()
    with pytest.raises(ValueError, match="confidence must be between 0 and 1"):
        TrainingSizeDisplay.from_results(sized_results(2), confidence=95)


# Reliability ----------------------------------------------------------------------------


@pytest.fixture
def predictions():
    rng = np.random.default_rng(0)
    classes = np.array(["ant", "bee", "cat"])
    return rng.choice(classes, 200), rng.dirichlet(np.ones(3), 200), classes


def test_reliability_draws_the_bins_that_have_predictions(predictions):
    y, proba, classes = predictions
    display = ReliabilityDisplay.from_predictions(y, proba, classes, n_bins=10)
    confidence, is_right = proba.max(axis=1), classes[proba.argmax(axis=1)] == y
    _, curve = display.ax_.lines
    expected = []
    for low in np.arange(10) / 10:
        inside = (confidence > low) & (confidence <= low + 0.1)
        if inside.any():
            expected.append([confidence[inside].mean(), is_right[inside].mean()])
    np.testing.assert_allclose(curve.get_xydata(), expected)
    (steps,) = display.counts_ax_.patches
    counts = np.histogram(confidence, np.linspace(0, 1, 11))[0]
    assert steps.get_data().values.tolist() == counts.tolist()
    error = f"{display.bins.expected_error:.3f}"
    assert error in display.ax_.get_legend().get_texts()[1].get_text()
    assert display.counts_ax_.get_position().y0 > display.ax_.get_position().y1
    assert_legible(display.figure_)


def test_reliability_of_an_estimator_is_that_of_its_predictions():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 2)), np.tile(["a", "b", "c"], 20)
    model = LogisticRegression().fit(X, y)
    one = ReliabilityDisplay.from_estimator(model, X, y, n_bins=5)
    other = ReliabilityDisplay.from_predictions(y, model.predict_proba(X), model.classes_, n_bins=5)
    np.testing.assert_array_equal(one.bins.accuracy, other.bins.accuracy)
    np.testing.assert_array_equal(one.bins.counts, other.bins.counts)


def test_reliability_divides_given_axes(predictions):
    figure = Figure(layout="constrained")
    left, right = figure.subplots(1, 2)
    display = ReliabilityDisplay.from_predictions(*predictions, ax=right, color="black")
    assert display.ax_ is right
    assert display.ax_.lines[1].get_color() == "black"
    figure.draw_without_rendering()
    assert display.counts_ax_.get_position().x0 > left.get_position().x1


# Confusion ------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [3, 20])
def test_confusion_is_legible_for_many_classes_with_long_names(n):
    rng = np.random.default_rng(0)
    classes = [f"class of the things of sort {i:02}" for i in range(n)]
    y, predicted = rng.choice(classes, 4000), rng.choice(classes, 4000)
    display = confusion_display(y, predicted)
    expected = confusion_matrix(y, predicted)
    np.testing.assert_array_equal(display.confusion_matrix, expected)
    cells = [int(text.get_text()) for text in display.text_.ravel()]
    assert cells == expected.ravel().tolist()
    labels = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert labels == [wrap_name(name, 18) for name in classes]
    assert_legible(display.figure_)


def test_confusion_can_be_normalized_and_drawn_elsewhere():
    ax = Figure().subplots()
    display = confusion_display(
        ["a", "b", "b"], ["a", "a", "b"], labels=["b", "a"], normalize="true", ax=ax
    )
    assert display.ax_ is ax
    np.testing.assert_allclose(display.confusion_matrix, [[0.5, 0.5], [0, 1]])
    assert [label.get_text() for label in ax.get_xticklabels()] == ["b", "a"]
    assert ax.get_xticklabels()[0].get_rotation() == 0


# Critical difference --------------------------------------------------------------------


def ranked(n):
    rng = np.random.default_rng(0)
    return compare_ranks({name: rng.normal(i / 2, 1, 10) for i, name in enumerate(NAMES[:n])})


@pytest.mark.parametrize("n", [3, 16])
def test_critical_difference_diagram_is_legible(n):
    assert_legible(CriticalDifferenceDisplay.from_comparison(ranked(n)).figure_)


def test_groups_are_joined_from_their_first_to_their_last_rank():
    comparison = ranked(8)
    display = CriticalDifferenceDisplay.from_comparison(comparison, color="red")
    bars = [line for line in display.ax_.lines if line.get_color() == "red"]
    joined = [group for group in comparison.groups() if len(group) > 1]
    assert joined
    expected = [comparison.ranks[[group[0], group[-1]]].tolist() for group in joined]
    assert [bar.get_xdata().tolist() for bar in bars] == expected
    heights = [bar.get_ydata()[0] for bar in bars]
    assert len(set(heights)) == len(heights)
    scale = display.ax_.lines[1].get_xdata()
    assert scale == pytest.approx([1, 1 + comparison.critical_difference])
    texts = [text.get_text() for text in display.ax_.texts]
    for name, rank in comparison.ranks.items():
        assert any(text.endswith(f"{rank:.2f}") and name in text for text in texts)


def test_ranks_must_increase():
    with pytest.raises(ValueError, match="ranks must be two or more that increase"):
        CriticalDifferenceDisplay([2, 1], ["a", "b"], 0.5, []).plot()


# Pictures -------------------------------------------------------------------------------


def flat_images(n, size=(6, 8)):
    return np.repeat(np.arange(n, dtype=np.uint8), size[0] * size[1] * 3).reshape(n, *size, 3)


def pictures_of(figure):
    return [ax.images[0].get_array() for ax in figure.axes if ax.images]


def test_the_most_confident_mistakes_come_first():
    proba = np.array([[0.9, 0.1], [0.6, 0.4], [0.3, 0.7], [0.1, 0.9], [0.05, 0.95]])
    y = ["cat", "dog", "cat", "cat", "dog"]
    images = flat_images(5)
    display = MistakesDisplay.from_predictions(images, y, proba, ["cat", "dog"], n=2)
    assert display.positions == [3, 2]
    assert display.true == ["cat", "cat"]
    assert display.predicted == ["dog", "dog"]
    assert display.probability == [0.9, 0.7]
    for drawn, position in zip(pictures_of(display.figure_), [3, 2], strict=True):
        np.testing.assert_array_equal(drawn, images[position])
    titles = [ax.get_title() for ax in display.figure_.axes if ax.images]
    assert titles == ["cat\ntaken for dog\n90.0%", "cat\ntaken for dog\n70.0%"]


def test_mistakes_are_read_from_files_of_any_size(tmp_path):
    paths = []
    for position, image in enumerate([flat_images(1, (5, 9))[0], flat_images(2, (7, 3))[1]]):
        paths.append(tmp_path / f"{position}.png")
        Image.fromarray(image).save(paths[-1])
    display = MistakesDisplay.from_predictions(
        pd.Series(paths, index=[7, 8]), ["a", "a"], [[0.1, 0.9], [0.2, 0.8]], ["a", "b"]
    )
    assert [image.shape for image in display.images] == [(5, 9, 3), (7, 3, 3)]
    assert (display.images[1] == 1).all()


def test_mistakes_with_long_names_are_legible():
    rng = np.random.default_rng(0)
    classes = sorted(NAMES)
    proba = rng.dirichlet(np.full(16, 0.1), 40)
    y = rng.choice(classes, 40)
    display = MistakesDisplay.from_predictions(flat_images(40), y, proba, classes)
    assert len(display.images) == 10
    assert_legible(display.figure_)


def test_no_mistakes_are_said_to_be_none():
    display = MistakesDisplay.from_predictions(flat_images(2), ["a", "b"], np.eye(2), ["a", "b"])
    assert display.positions == []
    texts = [text.get_text() for ax in display.figure_.axes for text in ax.texts]
    assert texts == ["no mistakes"]


def test_mistakes_refuse_what_does_not_fit():
    with pytest.raises(ValueError, match="one image for each label, got 3 and 2"):
        MistakesDisplay.from_predictions(flat_images(3), ["a", "b"], np.eye(2), ["a", "b"])
    with pytest.raises(ValueError, match="n must be at least 1"):
        MistakesDisplay.from_predictions(flat_images(2), ["a", "b"], np.eye(2), ["a", "b"], n=0)


def test_views_stand_beside_their_images():
    images = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
    augmentation = ImageAugmentation(brightness=0.5, horizontal_flip=True)
    display = AugmentationDisplay.from_images(augmentation, images, n_views=3, seed=5)
    expected = augmentation.augment(np.repeat(images, 3, axis=0), seed=5, ids=np.arange(6))
    np.testing.assert_array_equal(np.concatenate(display.views), expected)
    drawn = pictures_of(display.figure_)
    assert len(drawn) == 8
    np.testing.assert_array_equal(drawn[4], images[1])
    np.testing.assert_array_equal(drawn[5], np.rint(expected[3]).astype(np.uint8))
    titles = [ax.get_title() for ax in display.figure_.axes if ax.images]
    assert titles == ["original", "view 1", "view 2", "view 3", "", "", "", ""]


def test_the_first_image_has_the_views_of_its_own_plot():
    image = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    augmentation = ImageAugmentation(rotation=30)
    display = AugmentationDisplay.from_images(augmentation, [image], n_views=2)
    expected = augmentation.augment(np.stack([image, image]), seed=0, ids=[0, 1])
    np.testing.assert_array_equal(display.views[0], expected)


def test_augmentation_display_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match="n_views must be at least 1"):
        AugmentationDisplay.from_images(ImageAugmentation(), flat_images(1), n_views=0)
    with pytest.raises(ValueError, match="images is empty"):
        AugmentationDisplay.from_images(ImageAugmentation(), [])


def test_pictures_need_axes_that_can_be_divided():
    ax = Figure().add_axes((0, 0, 1, 1))
    with pytest.raises(ValueError, match="one of a figure's subplots"):
        AugmentationDisplay.from_images(ImageAugmentation(), flat_images(1), ax=ax)


# All ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "display",
    [
        LeaderboardDisplay([1, 2], [0, 1], [2, 3], ["a", "b"]),
        ParetoDisplay([1, 2], [1, 2], ["a", "b"]),
        LearningHistoryDisplay({"loss": [1.0]}),
        TrainingSizeDisplay([1], [[1]], [[0]], [[2]], ["a"]),
        CriticalDifferenceDisplay([1, 2], ["a", "b"], 0.5, []),
        MistakesDisplay([flat_images(1)[0]], [0], ["a"], ["b"], [0.9]),
        AugmentationDisplay([flat_images(1)[0]], [flat_images(1)]),
    ],
    ids=lambda display: type(display).__name__,
)
def test_every_display_draws_on_given_axes_and_knows_nothing_of_pyplot(display):
    from matplotlib import pyplot

    assert display.plot() is display
    assert display.ax_.figure is display.figure_
    _, second = Figure(layout="constrained").subplots(1, 2)
    assert display.plot(ax=second).ax_ is second
    assert display.figure_ is second.figure
    assert pyplot.get_fignums() == []
