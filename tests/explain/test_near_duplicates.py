from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics.pairwise import cosine_similarity

from sktransfer import BackboneFeatures
from sktransfer.explain import _near_duplicates, find_near_duplicates


def recompressed(image):
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=90)
    return np.asarray(Image.open(stream))


def pairs_of(table):
    return set(zip(table["first"], table["second"], strict=True))


@pytest.fixture(scope="module")
def noise():
    """Images that differ much: each a smooth random field in random colours."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (30, 4, 4, 3)).astype(np.uint8)
    return np.stack([np.asarray(Image.fromarray(image).resize((32, 32))) for image in coarse])


def test_copies_and_recompressed_images_are_found(noise):
    X = np.concatenate([noise, noise[[3]], [recompressed(noise[8])]])
    backbone = BackboneFeatures("residual", weights=None, pooling="flatten", random_state=0).fit(X)
    found = find_near_duplicates(backbone, X, threshold=0.98)
    assert pairs_of(found) == {(3, 30), (8, 31)}
    assert found.loc[0].tolist() == [3, 30, 1.0]
    assert 0.98 < found.loc[1, "similarity"] < 1
    assert pairs_of(find_near_duplicates(backbone, X, threshold=1.0)) == {(3, 30)}


@pytest.mark.parametrize("block", [1, 7, 64, 2048])
def test_pairs_are_those_of_the_whole_matrix(block, monkeypatch):
    monkeypatch.setattr(_near_duplicates, "BLOCK", block)
    features = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
    found = find_near_duplicates(None, features, threshold=0.9)
    whole = np.triu(cosine_similarity(features.astype(float)), k=1)
    assert pairs_of(found) == set(zip(*(whole >= 0.9).nonzero(), strict=True))
    np.testing.assert_allclose(
        found["similarity"], whole[found["first"], found["second"]], atol=1e-6
    )
    assert found["similarity"].is_monotonic_decreasing
    assert (found["first"] < found["second"]).all()


def test_equal_features_are_found_at_the_strictest_threshold():
    features = np.random.default_rng(0).random((50, 1280)).astype(np.float32)
    twice = np.concatenate([features, features])
    found = find_near_duplicates(None, twice, threshold=1.0)
    assert found["first"].tolist() == list(range(50))
    assert found["second"].tolist() == list(range(50, 100))
    assert (found["similarity"] == 1).all()


def test_features_of_zeros_are_like_nothing():
    found = find_near_duplicates(None, np.zeros((3, 4)), threshold=0.5)
    assert len(found) == 0
    assert list(found.columns) == ["first", "second", "similarity"]


def test_a_single_image_has_no_double():
    assert len(find_near_duplicates(None, [[1.0, 2.0]])) == 0


@pytest.mark.parametrize("threshold", [0, -0.5, 1.01])
def test_impossible_thresholds_are_refused(threshold):
    with pytest.raises(ValueError, match="threshold"):
        find_near_duplicates(None, np.eye(3), threshold=threshold)
