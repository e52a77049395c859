from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from sktransfer.evaluation._plots import plot_bars, plot_learning_curves, plot_samples

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


def results(backbones):
    rows = [
        (strategy, backbone)
        for strategy in STRATEGIES
        for backbone in ([""] if strategy.startswith("cnn") else backbones)
    ]
    table = pd.DataFrame(rows, columns=["strategy", "backbone"])
    return table.assign(test_accuracy=np.linspace(98.7, 10, len(table)))


def texts_drawn(figure):
    """Boxes in pixels of all texts that are not empty."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    axes = figure.axes[0]
    texts = [*axes.texts, *axes.get_xticklabels(), *figure.legends[0].get_texts()]
    return [text.get_window_extent() for text in texts if text.get_text()]


def test_samples_stand_under_their_classes():
    labels = [f"class {i}" for i in range(10)]
    figure = plot_samples(np.zeros((10, 8, 8, 3), np.uint8), labels)
    assert [axes.get_title() for axes in figure.axes] == labels
    assert all(len(axes.images) == 1 for axes in figure.axes)


def test_learning_curves_show_both_parts_in_percent():
    history = {
        "accuracy": [0.5, 0.75],
        "val_accuracy": [0.4, 0.6],
        "loss": [2.0, None],
        "val_loss": [2.5, 2.25],
    }
    accuracy, loss = plot_learning_curves(history, "cnn").axes
    curves = {line.get_label(): line.get_ydata().tolist() for line in accuracy.lines}
    assert curves == {"training": [50, 75], "validation": [40, 60]}
    assert loss.lines[0].get_xdata().tolist() == [1, 2]
    assert np.isnan(loss.lines[0].get_ydata()[1])


def test_learning_curves_without_validation():
    accuracy, _ = plot_learning_curves({"accuracy": [0.5], "loss": [1.0]}, "cnn").axes
    assert [line.get_label() for line in accuracy.lines] == ["training"]


def test_backbones_stand_side_by_side_in_each_group():
    figure = plot_bars(results(["mobilenet", "vgg16"]), "test_accuracy", "accuracy")
    bars = [bar for bar in figure.axes[0].patches if bar.get_height() > 0]
    assert len(bars) == 14
    positions = [bar.get_x() for bar in bars]
    gaps = np.diff(positions)
    assert sorted(set(np.round(gaps, 6))) == [1, 2]  # within a group, and between groups
    assert (np.round(gaps, 6) == 2).sum() == len(STRATEGIES) - 1


@pytest.mark.parametrize("n_backbones", [1, 2, 9])
def test_backbones_look_different_and_no_texts_overlap(n_backbones):
    figure = plot_bars(
        results([f"backbone_{i}" for i in range(n_backbones)]), "test_accuracy", "accuracy"
    )
    looks = {
        (patch.get_facecolor(), patch.get_hatch()) for patch in figure.legends[0].get_patches()
    }
    assert len(looks) == n_backbones + 1
    boxes = texts_drawn(figure)
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))
    canvas = figure.bbox
    assert all(canvas.contains(box.x0, box.y0) and canvas.contains(box.x1, box.y1) for box in boxes)


def test_missing_values_leave_no_bar():
    table = results(["vgg16"])
    table.loc[table["strategy"] == "knn", "test_accuracy"] = np.nan
    figure = plot_bars(table, "test_accuracy", "accuracy")
    assert "knn" not in [label.get_text() for label in figure.axes[0].get_xticklabels()]
