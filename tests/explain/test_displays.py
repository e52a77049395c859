from __future__ import annotations

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from sklearn.linear_model import Ridge, RidgeClassifier
from sklearn.pipeline import make_pipeline

from sktransfer import BackboneFeatures, LinearProbe
from sktransfer.explain import (
    AttributionDisplay,
    NeighboursDisplay,
    grad_cam,
    nearest_training_images,
    occlusion,
)


def features(**parameters):
    return BackboneFeatures("residual", weights=None, random_state=0, **parameters)


@pytest.fixture
def probe(small_images, small_labels):
    return make_pipeline(features(), LinearProbe(1.0)).fit(small_images, small_labels)


def titles(axes):
    return [one.get_title() for one in np.ravel(axes)]


def drawn(display):
    FigureCanvasAgg(display.figure_).draw()
    return display


def test_dollar_signs_in_labels_are_no_mathematics():
    drawn(NeighboursDisplay([[np.zeros((8, 8, 3), np.uint8)]], [["image: $5_$10"]]).plot())


def test_titles_tell_the_prediction_and_its_probability(probe, small_images):
    display = drawn(AttributionDisplay.from_estimator(probe, small_images[:3]))
    probabilities = probe.predict_proba(small_images[:3])
    best = probabilities.argmax(axis=1)
    assert titles(display.axes_) == [
        f"{probe.classes_[output]}, {row[output]:.0%}"
        for row, output in zip(probabilities, best, strict=True)
    ]
    np.testing.assert_array_equal(display.maps, grad_cam(probe, small_images[:3]))


def test_titles_name_the_target_where_it_is_another_class(probe, small_images):
    predicted = probe.predict(small_images[:6])
    display = AttributionDisplay.from_estimator(probe, small_images[:6], target="sky")
    named = ["explained: sky" in title for title in titles(display.axes_)]
    np.testing.assert_array_equal(named, predicted != "sky")
    assert any(named)
    assert not all(named)


def test_titles_of_occlusion_tell_what_is_lost(probe, small_images):
    display = AttributionDisplay.from_estimator(
        probe, small_images[:2], method="occlusion", patch=8
    )
    maps = occlusion(probe, small_images[:2], patch=8)
    np.testing.assert_array_equal(display.maps, maps)
    ends = [f"loses up to {max(lost.max(), 0):.1%}" for lost in maps]
    assert [title.splitlines()[-1] for title in titles(display.axes_)] == ends


def test_estimators_without_probabilities_have_titles_too(small_images, small_labels):
    classifier = make_pipeline(features(), RidgeClassifier()).fit(small_images, small_labels)
    display = AttributionDisplay.from_estimator(classifier, small_images[:2])
    assert titles(display.axes_) == classifier.predict(small_images[:2]).tolist()
    regressor = make_pipeline(features(), Ridge()).fit(small_images, np.arange(24.0))
    (title,) = titles(AttributionDisplay.from_estimator(regressor, small_images[:1]).axes_)
    assert float(title) == pytest.approx(regressor.predict(small_images[:1])[0], abs=1e-3)


def test_the_picture_is_opaque_where_nothing_contributes():
    image = np.full((1, 4, 4, 3), 100, np.uint8)
    maps = np.zeros((1, 4, 4))
    maps[0, 1, 1], maps[0, 2, 2], maps[0, 3, 3] = 2.0, 1.0, -5.0
    display = drawn(AttributionDisplay(image, maps, ["a"]).plot(alpha=0.5))
    picture, overlay = display.axes_[0].images
    np.testing.assert_array_equal(picture.get_array(), image[0])
    expected = np.zeros((4, 4))
    expected[1, 1], expected[2, 2] = 0.5, 0.25
    np.testing.assert_array_equal(overlay.get_alpha(), expected)


def test_a_map_of_zeros_can_be_drawn():
    display = AttributionDisplay(np.zeros((1, 4, 4, 3), np.uint8), np.zeros((1, 4, 4)), ["a"])
    np.testing.assert_array_equal(drawn(display.plot()).axes_[0].images[1].get_alpha(), 0)


def test_axes_may_be_given(probe, small_images):
    figure = Figure()
    row = figure.subplots(1, 2)
    display = AttributionDisplay.from_estimator(probe, small_images[:2], ax=row)
    assert display.axes_.tolist() == row.tolist()
    assert display.figure_ is figure
    one = Figure().subplots()
    assert AttributionDisplay.from_estimator(probe, small_images[:1], ax=one).axes_[0] is one
    with pytest.raises(ValueError, match="ax must hold 1 x 3 axes"):
        AttributionDisplay.from_estimator(probe, small_images[:3], ax=row)


def test_titles_of_several_lines_stay_within_a_new_figure():
    images, maps = np.zeros((3, 8, 8, 3), np.uint8), np.ones((3, 8, 8))
    display = drawn(AttributionDisplay(images, maps, ["a\nb\nc", "a", "a\nb"]).plot())
    top = display.figure_.bbox.ymax
    boxes = [axes.title.get_window_extent() for axes in display.axes_]
    assert all(box.ymax <= top for box in boxes)


def test_pictures_of_mixed_sizes_are_drawn_at_the_size_of_the_maps(small_images, small_labels):
    probe = make_pipeline(features(input_size=12), LinearProbe()).fit(small_images, small_labels)
    display = AttributionDisplay.from_estimator(probe, [small_images[0], small_images[1][:10]])
    assert display.images.shape == (2, 12, 12, 3)
    assert display.images.dtype == np.uint8


def test_pictures_of_scaled_pixels_span_the_range(small_images, small_labels):
    scaled = small_images / 127.5 - 1
    probe = make_pipeline(features(pixel_range=None), LinearProbe()).fit(scaled, small_labels)
    pictures = AttributionDisplay.from_estimator(probe, scaled[:2]).images
    assert pictures.min() == 0
    assert pictures.max() == 255


def test_an_unknown_method_is_named(probe, small_images):
    with pytest.raises(ValueError, match="Unknown method 'gradcam'; did you mean 'grad_cam'"):
        AttributionDisplay.from_estimator(probe, small_images, method="gradcam")


def test_neighbours_stand_beside_their_image(probe, small_images, small_labels):
    train, y_train, X = small_images[:20], small_labels[:20], small_images[20:22]
    display = drawn(
        NeighboursDisplay.from_transformer(
            probe, train, X, y_train=y_train, y=small_labels[20:22], n_neighbors=3
        )
    )
    indices, distances = nearest_training_images(probe, train, X, n_neighbors=3)
    assert display.axes_.shape == (2, 4)
    for row in range(2):
        shown = [axes.images[0].get_array() for axes in display.axes_[row]]
        np.testing.assert_array_equal(shown[0], X[row])
        np.testing.assert_array_equal(shown[1:], train[indices[row]])
        expected = [
            f"at {distance:.3f}: {y_train[index]}"
            for index, distance in zip(indices[row], distances[row], strict=True)
        ]
        assert titles(display.axes_[row]) == [f"image: {small_labels[20 + row]}", *expected]


def test_neighbours_need_no_labels(probe, small_images):
    display = NeighboursDisplay.from_transformer(
        probe, small_images[:5], small_images[:1], n_neighbors=1
    )
    assert titles(display.axes_) == ["image", "at 0.000"]


def test_labels_have_to_fit_the_images(probe, small_images, small_labels):
    with pytest.raises(ValueError, match="X_train has 24 samples, but y_train has 23"):
        NeighboursDisplay.from_transformer(
            probe, small_images, small_images[:1], y_train=small_labels[:23]
        )
