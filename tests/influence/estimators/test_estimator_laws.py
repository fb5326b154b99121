"""The laws of proxies over estimators: those that few models keep."""

import numpy as np
import pytest

from tests.influence.estimators.small_estimators import fit_with
from tests.influence.small_rows import labelled
from tests.influence.test_proxy_laws import (  # noqa: F401
    everybody,
    rows,
    test_a_class_without_reference_rows_has_no_mean,
    test_a_duplicate_of_the_reference_row_helps_it_and_with_a_wrong_label_harms_it,
    test_a_fitted_proxy_survives_being_stored,
    test_a_row_that_is_not_kept_influences_no_other_row,
    test_few_rows_of_one_group_still_get_scores,
    test_no_kept_row_and_no_reference_row_are_refused_with_what_to_do,
    test_one_reference_row_has_no_standard_error,
    test_probabilities_lie_strictly_between_0_and_1_and_add_up_to_1,
    test_self_influence_is_never_negative_and_everything_is_finite,
    test_the_mean_is_the_mean_over_classes_and_over_pairs,
    test_the_same_seed_gives_the_same_scores,
    test_without_a_row_and_its_duplicates_their_labels_do_not_matter,
)

MODELS = 20  # single rows do much to their own outcome, so that few models tell it
BY_SUBSETS = ("forest", "bayes", "boosting")


@pytest.fixture(params=("logistic", *BY_SUBSETS))
def fit(request):
    return fit_with(request.param, MODELS)


@pytest.fixture(params=BY_SUBSETS)
def fit_local(request):
    """Whatever is judged by models that never saw a row."""
    return fit_with(request.param, MODELS)


def test_another_seed_gives_other_models(fit_local):
    some, _ = labelled(120, flipped=0.1)
    fitted = fit_local(some, everybody(some))
    judge = fitted.judge.panels.every[0]
    assert len({tuple(mask) for mask in judge.saw}) == MODELS
    assert fitted.name in ("randomforestclassifier", "gaussiannb", "histgradientboostingclassifier")


def test_the_standard_error_holds_the_spread_over_reference_rows_and_over_models(fit_local):
    some, _ = labelled(120, flipped=0.1)
    reference = labelled(29, seed=1)[0]
    fitted = fit_local(some, everybody(some))
    pairs = fitted.influence_between(np.arange(len(some)), reference)
    over_rows = pairs.std(axis=1, ddof=1) / np.sqrt(29)
    (panel,) = fitted.judge.panels.every
    losses = np.stack(
        [-np.log(model.outcomes(reference.features)[np.arange(29), reference.labels]).mean() for model in panel.models]
    )
    over_models = [
        np.sqrt(losses[saw].var(ddof=1) / saw.sum() + losses[~saw].var(ddof=1) / (~saw).sum()) for saw in panel.saw.T
    ]
    found = fitted.influence_on(reference).standard_error
    np.testing.assert_allclose(found, np.hypot(over_rows, over_models), rtol=1e-9)
