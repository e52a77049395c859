from __future__ import annotations

import numpy as np

from sktransfer.evaluation._plots import plot_data, plot_learning_curves, plot_samples


def test_samples_stand_under_their_classes():
    labels = [f"class {i}" for i in range(10)]
    figure = plot_samples(np.zeros((10, 8, 8, 3), np.uint8), labels)
    assert [axes.get_title() for axes in figure.axes] == labels
    assert all(len(axes.images) == 1 for axes in figure.axes)


def test_dollar_signs_in_names_are_no_mathematics(tmp_path):
    plot_samples(np.zeros((1, 8, 8, 3), np.uint8), ["$5_$10"]).savefig(tmp_path / "samples.png")
    curves = plot_learning_curves({"accuracy": [0.5], "loss": [1.0]}, "$5_$10")
    curves.savefig(tmp_path / "curves.png")


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


def test_data_are_drawn_with_an_image_of_each_class(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        "sktransfer.evaluation._plots.plot_samples",
        lambda images, labels: drawn.append(list(labels)) or plot_samples(images, labels),
    )
    labels = np.array(["cat"] * 30 + ["dog"] * 2)
    plot_data(tmp_path, np.zeros((32, 8, 8, 3), np.uint8), labels)
    assert (tmp_path / "samples.png").exists()
    assert drawn == [["cat", "dog", *["cat"] * 18]]
