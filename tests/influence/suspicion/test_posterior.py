"""Suspicion by hand on rows that can be counted on fingers."""

import numpy as np
import pytest

from culpa.influence.suspicion import NoiseModel, judge

EVEN = NoiseModel(np.full((3, 3), 0.1) + 0.7 * np.eye(3), 0.0, 0.0, 0.0)


def test_suspicion_is_the_log_odds_of_the_likeliest_other_class():
    probabilities = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]])
    judged = judge(probabilities, np.array([0, 0]), EVEN)
    assert judged.suspicion[0] == pytest.approx(np.log(0.2 * 0.1) - np.log(0.7 * 0.8))
    assert judged.suspicion[1] == pytest.approx(np.log(0.6 * 0.1) - np.log(0.1 * 0.8))
    np.testing.assert_array_equal(judged.suggested, [1, 2])


def test_the_posterior_is_bayes_rule():
    probabilities = np.array([[0.1, 0.3, 0.6]])
    joint = np.array([0.1 * 0.8, 0.3 * 0.1, 0.6 * 0.1])
    judged = judge(probabilities, np.array([0]), EVEN)
    assert judged.probability_wrong[0] == pytest.approx(1 - joint[0] / joint.sum())
    assert judged.suggested_probability[0] == pytest.approx(joint[2] / joint.sum())


def test_a_confusion_that_is_usual_is_suspected_before_one_that_is_not():
    usual = np.array([[0.8, 0.1, 0.1], [0.3, 0.6, 0.1], [0.01, 0.01, 0.98]])
    judged = judge(np.array([[0.5, 0.2, 0.3]]), np.array([0]), NoiseModel(usual, 1.0, 0.0, 0.0))
    assert judged.suggested[0] == 1
    assert judge(np.array([[0.5, 0.2, 0.3]]), np.array([0]), EVEN).suggested[0] == 2


def test_suspicion_above_nought_means_that_another_class_is_likelier():
    chance = np.random.default_rng(0)
    probabilities = chance.dirichlet(np.full(3, 0.5), 500).clip(1e-9)
    labels = chance.integers(0, 3, 500)
    judged = judge(probabilities, labels, EVEN)
    joint = probabilities * EVEN.matrix[:, labels].T
    np.testing.assert_array_equal(judged.suspicion > 0, joint.argmax(axis=1) != labels)
    assert (judged.suggested != labels).all()
    assert ((judged.probability_wrong >= 0) & (judged.probability_wrong <= 1)).all()


def test_with_two_classes_the_posterior_and_the_odds_say_the_same():
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8]])
    noise = NoiseModel(np.array([[0.8, 0.2], [0.1, 0.9]]), 0.0, 0.0, 0.0)
    judged = judge(probabilities, np.array([0, 0]), noise)
    np.testing.assert_allclose(judged.probability_wrong, 1 / (1 + np.exp(-judged.suspicion)), rtol=0, atol=1e-12)
    np.testing.assert_allclose(judged.suggested_probability, judged.probability_wrong, rtol=0, atol=1e-12)
