"""The chosen penalty: least leave-one-out loss of the whole grid, and what brute-force refits prefer."""

import numpy as np
import pytest

from culpa.influence.linear import fit_linear, strength
from culpa.influence.linear.strength import choose_strength
from culpa.influence.rows import Rows
from tests.influence.linear import dense
from tests.influence.small_rows import labelled, measured

GRID = range(strength.WEAKEST, strength.STRONGEST + 1)


def weak(count=90, classes=3, seed=0):
    """Few rows, many features that say little: the penalty matters."""
    rows, _ = labelled(count, classes, features=3, flipped=0.2, seed=seed)
    noise = np.random.default_rng(7).standard_normal((count, 12))
    return Rows(np.c_[rows.features, noise], rows.labels, classes, rows.groups)


def weak_numbers(count=90):
    rows = measured(count)
    noise = np.random.default_rng(7).standard_normal((count, 12))
    return Rows(np.c_[rows.features, noise], rows.labels, 0, rows.groups)


@pytest.fixture(params=["classes", "numbers"])
def rows(request):
    return weak() if request.param == "classes" else weak_numbers()


def at_step(step, rows):
    return 10.0 ** (step / strength.STEPS_PER_TENFOLD) / rows


def mean_loss(without, rows):
    if not rows.classes:
        return np.mean((without[:, 0] - rows.labels) ** 2)
    return -np.log(without[np.arange(len(rows)), rows.labels]).mean()


def everybody(rows):
    return np.ones(len(rows), np.bool_)


def test_the_choice_is_the_least_leave_one_out_loss_of_the_whole_grid(rows):
    losses = {step: mean_loss(fit_linear(rows, l2=at_step(step, 90)).scores().without, rows) for step in GRID}
    found = choose_strength(rows, everybody(rows), fit_linear)
    assert found.l2 == pytest.approx(at_step(min(losses, key=losses.get), 90))
    assert 1 < len(found.tried) < len(GRID)
    for l2, loss in found.tried:
        step = round(strength.STEPS_PER_TENFOLD * np.log10(l2 * 90))
        assert loss == pytest.approx(losses[step], abs=1e-6)


def test_brute_force_refits_without_each_row_prefer_the_same_penalty_or_its_neighbour(rows):
    chosen = choose_strength(rows, everybody(rows), fit_linear).l2
    start = fit_linear(rows, l2=chosen).weights
    losses = {}
    for step in range(-2, 7):
        total = 90 * at_step(step, 90)
        whole = dense.refit(rows, total, start)
        refits = (dense.refit(dense.but(rows, row), total, whole) for row in range(0, 90, 2))
        losses[step] = sum(
            dense.losses(rows.take(np.array([2 * place])), weights)[0] for place, weights in enumerate(refits)
        )
    best = min(losses, key=losses.get)
    assert abs(strength.STEPS_PER_TENFOLD * np.log10(chosen * 90) - best) <= 1.01


def test_more_wrong_labels_call_for_a_stronger_penalty():
    clean, noisy = (labelled(300, features=8, flipped=share)[0] for share in (0.0, 0.4))
    found = [choose_strength(rows, everybody(rows), fit_linear).l2 for rows in (clean, noisy)]
    assert found[0] < found[1]


def test_only_kept_rows_have_a_say():
    rows = weak()
    keep = np.arange(90) < 60
    upset = Rows(rows.features, np.where(keep, rows.labels, 0), 3, rows.groups)
    assert choose_strength(rows, keep, fit_linear) == choose_strength(upset, keep, fit_linear)
    assert fit_linear(rows, keep).strength == choose_strength(rows, keep, fit_linear)


def test_duplicates_are_left_out_together_while_choosing():
    rows = weak()
    twice = Rows(*(np.concatenate([part, part]) for part in (rows.features, rows.labels)), 3, np.tile(rows.groups, 2))
    apart = Rows(twice.features, twice.labels, 3, np.arange(180))
    single, together, fooled = (choose_strength(some, everybody(some), fit_linear).l2 for some in (rows, twice, apart))
    assert 1 / 3.2 < together / single < 3.2  # a step of the grid, whose step 0 is 1 / rows
    assert fooled < together


def test_many_rows_are_searched_on_a_sample_with_the_penalty_scaled_to_all(monkeypatch):
    rows = weak(900)
    monkeypatch.setattr(strength, "SEARCH_ROWS", 300)
    found = choose_strength(rows, everybody(rows), fit_linear)
    sample = choose_strength(rows.take(slice(None, None, 3)), np.ones(300, np.bool_), fit_linear)
    assert found.l2 * 900 == pytest.approx(sample.l2 * 300)
    np.testing.assert_allclose(found.tried, [(l2 / 3, loss) for l2, loss in sample.tried], rtol=1e-12)


def test_a_second_valley_at_the_weak_end_is_not_looked_for():
    """Where the model interpolates its labels the leave-one-out loss may fall again: it is not to be believed."""

    def loss_at(step):
        looked.append(step)
        return abs(step - 3) if step > -3 else -100

    looked = []
    assert strength._first_valley(loss_at) == 3
    assert min(looked) > -3


def test_rows_that_are_told_apart_without_doubt_get_a_penalty_too():
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 5, 200)
    features = (100 * np.eye(10)[labels] + 1e-3 * generator.standard_normal((200, 10))).astype(np.float32)
    fitted = fit_linear(Rows(features, labels, 5, np.arange(200)))
    assert np.isfinite(fitted.weights).all()  # though single precision sees no Hessian at the weak end
    assert np.isfinite(fitted.scores().without).all()
