"""The laws of proxies over estimators that many models tell: what one row does to the mean of others is little."""

import pytest

from tests.influence.estimators.small_estimators import fit_with
from tests.influence.test_proxy_laws import (  # noqa: F401
    test_duplicates_of_the_own_label_make_a_row_less_memorized,
    test_flipped_rows_are_memorized_more_and_doubted_more,
    test_flipped_rows_harm_trusted_reference_rows,
    test_in_regression_a_duplicate_of_the_reference_row_helps_it_and_one_far_off_harms_it,
)


@pytest.fixture(params=["logistic", "neighbors", "bayes"])
def fit(request):
    return fit_with(request.param, 400)


@pytest.fixture(params=["neighbors", "forest"])
def fit_local(request):
    """Whatever asks only the rows nearby."""
    return fit_with(request.param, 40)
