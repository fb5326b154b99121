"""The softmax head far from the middle: no number that a processor crawls over, and nothing lost by it."""

import numpy as np
import pytest
from scipy.special import softmax

from culpa.influence.linear.heads import Softmax, probabilities


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_products_of_far_probabilities_are_no_denormal_numbers(dtype):
    scores = np.linspace(0, 2_000, 400).reshape(40, 10).astype(dtype)
    for found in (Softmax(10).curvatures(scores), Softmax(10).residuals(scores, np.zeros(40, np.int64))):
        sizes = np.abs(found[found != 0])
        assert sizes.min() > np.finfo(dtype).tiny


def test_probabilities_are_those_of_the_softmax_to_rounding():
    scores = np.random.default_rng(0).normal(scale=30, size=(200, 6))
    np.testing.assert_allclose(probabilities(scores), softmax(scores, axis=1), rtol=0, atol=1e-15)
    single = probabilities(scores.astype(np.float32))
    np.testing.assert_allclose(single, softmax(scores.astype(np.float32), axis=1), rtol=1e-5, atol=1e-12)
