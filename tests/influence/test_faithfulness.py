"""Faithfulness: influence against fits without the rows, and an influence that was shuffled."""

from dataclasses import replace

import numpy as np
import pytest

from culpa.influence import faithfulness
from culpa.influence.faithfulness import draw_runs, measure_faithfulness
from culpa.influence.held_out import TooFew
from culpa.influence.linear import fit_linear
from culpa.influence.training import train_proxies
from tests.influence.small_rows import labelled, measured


class Changed:
    """A proxy whose influence somebody changed."""

    name = "linear"

    def __init__(self, fitted, change):
        self.fitted, self.change = fitted, change

    def influence_on(self, reference):
        found = self.fitted.influence_on(reference)
        return replace(found, removal=self.change(found.removal))

    def influence_between(self, index, reference):
        return self.change(self.fitted.influence_between(index, reference))

    def predict_without(self, keep, rows):
        return self.fitted.predict_without(keep, rows)


def changed(trained, change):
    return replace(trained, fitted={"linear": Changed(trained.fitted["linear"], change)})


@pytest.fixture(scope="module")
def case():
    rows, wrong = labelled(400, flipped=0.1)
    return rows, wrong, labelled(150, seed=1)[0], train_proxies(rows, proxy="linear", seed=0, rounds=0)


def test_the_linear_proxy_foretells_its_refits(case):
    rows, wrong, reference, trained = case
    found = measure_faithfulness(trained, rows, reference=reference, dropped=wrong)
    assert found.agreement.spearman > 0.95
    assert found.faithful
    assert found.report()["kind"] == "row"
    assert found.dropped.predicted < 0
    assert found.dropped.real < 0


def test_what_is_called_real_is_the_loss_after_a_fit_without_the_row(case):
    rows, wrong, reference, trained = case
    found = measure_faithfulness(trained, rows, reference=reference, dropped=wrong)
    fitted = trained.fitted["linear"]

    def loss(keep):
        l2 = fitted.strength.l2 * len(rows) / keep.sum()
        p = fit_linear(rows.take(keep), l2=l2).predict(reference)
        return -np.log(p[np.arange(len(reference)), reference.labels]).mean()

    everybody = loss(np.ones(len(rows), np.bool_))
    for one in [found.removals[0], found.removals[-1], found.dropped]:
        keep = np.ones(len(rows), np.bool_)
        keep[one.rows] = False
        assert one.real == pytest.approx(loss(keep) - everybody, rel=0.02, abs=1e-7)


def test_an_influence_that_was_shuffled_is_unfaithful(case):
    rows, wrong, reference, trained = case
    shuffled = changed(trained, lambda values: np.random.default_rng(0).permutation(values))
    found = measure_faithfulness(shuffled, rows, reference=reference, dropped=wrong)
    assert not found.faithful


def test_an_influence_of_the_wrong_sign_is_unfaithful(case):
    rows, wrong, reference, trained = case
    found = measure_faithfulness(changed(trained, np.negative), rows, reference=reference, dropped=wrong)
    assert found.agreement.spearman < -0.95
    assert not found.faithful
    assert found.agreement.same_sign == 0.0


def test_influence_at_another_strength_is_tested_at_that_strength(case):
    rows, wrong, reference, trained = case
    found = measure_faithfulness(trained, rows, reference=reference, dropped=wrong, l2=0.3)
    expected = fit_linear(rows, l2=0.3).influence_on(reference).removal
    assert [one.predicted for one in found.removals] == pytest.approx([expected[one.rows[0]] for one in found.removals])
    assert found.agreement.spearman > 0.95


def test_without_trusted_rows_a_fold_that_the_proxy_never_saw_judges(case):
    rows, wrong, _, trained = case
    found = measure_faithfulness(trained, rows, reference=None, dropped=wrong)
    assert found.agreement.spearman > 0.95
    removed = np.concatenate([one.rows for one in found.removals])
    assert len(np.unique(removed)) == 20


def test_numbers_are_foretold_too():
    rows = measured(300)
    trained = train_proxies(rows, proxy="linear", seed=0, rounds=0)
    found = measure_faithfulness(trained, rows, reference=measured(80, seed=1), dropped=np.zeros(300, np.bool_))
    assert found.agreement.spearman > 0.95
    assert found.dropped is None


def test_neighbors_are_foretold_by_their_values():
    rows, wrong = labelled(300, flipped=0.1)
    trained = train_proxies(rows, proxy="neighbors", seed=0, rounds=0)
    found = measure_faithfulness(trained, rows, reference=labelled(100, seed=1)[0], dropped=wrong)
    assert found.faithful
    assert found.agreement.same_sign > 0.7


def test_a_forest_loses_subsets_and_not_rows(monkeypatch):
    monkeypatch.setattr(faithfulness, "REMOVALS", 6)
    rows, wrong = labelled(250, flipped=0.1)
    trained = train_proxies(rows, proxy="forest", seed=0, rounds=0)
    found = measure_faithfulness(trained, rows, reference=labelled(100, seed=1)[0], dropped=wrong)
    assert {one.kind for one in found.removals} == {"subset"}
    assert {len(one.rows) for one in found.removals} == {5}
    assert found.faithful


def test_too_few_rows_say_so(case):
    rows, wrong, reference, trained = case
    with pytest.raises(TooFew, match="3 rows can serve as reference, needed 20"):
        measure_faithfulness(trained, rows, reference=reference.take(np.arange(3)), dropped=wrong)


def test_runs_reach_from_the_most_harmful_row_to_the_most_helpful():
    scores = np.random.default_rng(0).permutation(100).astype(float)
    runs = [scores[run] for run in draw_runs(scores, 5, 10)]
    assert (runs[0].min(), runs[-1].max()) == (0.0, 99.0)
    assert all(np.ptp(run) == 9 for run in runs)
