"""Evidence: what to look at beside a row."""

import numpy as np
import pytest

from culpa.influence.assess import find_evidence, train_proxies
from culpa.influence.evidence import BLOCK_ROWS
from culpa.influence.scoring import voters
from tests.influence.small_rows import labelled, measured, with_copies


@pytest.fixture(scope="module")
def planted():
    """Rows with a wrong duplicate of a reference row at their end and a right one before it, reference rows."""
    rows, reference = labelled(200)[0], labelled(60, seed=1)[0]
    right = int(reference.labels[13])
    both = with_copies(rows, 0, [right, (right + 1) % 3])
    both.features[-2:] = reference.features[13]
    both.groups[-2:] = 9_999
    return both, reference, train_proxies(both, proxy="linear", seed=0, rounds=0)


def of_kind(found, kind, row):
    return [one for one in found if one.kind == kind and one.row == row]


def test_a_wrong_duplicate_is_found_to_harm_its_reference_row_first_and_a_right_one_to_help_it(planted):
    rows, reference, trained = planted
    found = find_evidence(trained, rows, np.array([200, 201]), reference=reference, most=60)
    pairs = trained.fitted["linear"].influence_between(np.array([200, 201]), reference)
    assert pairs[0, 13] > 0 > pairs[1, 13]
    assert 13 in [one.other for one in of_kind(found, "harms_reference", 201)]
    assert 13 in [one.other for one in of_kind(found, "helps_reference", 200)]


def test_values_are_the_influences_strongest_first_and_of_the_kinds_sign(planted):
    rows, reference, trained = planted
    index = np.array([201, 3])
    found = find_evidence(trained, rows, index, reference=reference, most=4)
    pairs = trained.fitted["linear"].influence_between(index, reference)
    for place, row in enumerate(index):
        harmed, helped = (of_kind(found, kind, row) for kind in ("harms_reference", "helps_reference"))
        assert len(harmed) == len(helped) == 4
        np.testing.assert_allclose([one.value for one in harmed], np.sort(pairs[place])[:4], rtol=1e-9)
        np.testing.assert_allclose([one.value for one in helped], -np.sort(-pairs[place])[:4], rtol=1e-9)
        for one in harmed + helped:
            assert one.value == pytest.approx(pairs[place, one.other], rel=1e-9)


def test_a_wrong_row_is_outvoted_by_near_rows_of_another_label(planted):
    rows, reference, trained = planted
    votes = of_kind(find_evidence(trained, rows, np.array([201]), reference=reference, most=5), "outvoted_by", 201)
    assert len(votes) == 5
    assert all(rows.labels[one.other] != rows.labels[201] for one in votes)
    assert all(0 <= one.value <= 1 for one in votes)
    distances = np.linalg.norm(rows.features - rows.features[201], axis=1)
    others = np.flatnonzero(rows.labels != rows.labels[201])
    assert {one.other for one in votes} == set(others[np.argsort(distances[others])[:5]])


def test_without_trusted_rows_witnesses_are_voters_and_never_the_rows_own_duplicates(planted):
    rows, _, trained = planted
    index = np.array([200, 201])
    found = find_evidence(trained, rows, index, reference=None, most=200)
    witnesses = {one.other for one in found if one.kind != "outvoted_by"}
    assert witnesses <= set(np.flatnonzero(voters(trained, rows)))
    assert not witnesses & {200, 201}


def test_many_rows_get_the_evidence_they_get_alone(planted):
    rows, reference, trained = planted
    index = np.arange(BLOCK_ROWS + 20)
    together = find_evidence(trained, rows, index, reference=reference, most=2)
    for row in (0, BLOCK_ROWS - 1, BLOCK_ROWS, BLOCK_ROWS + 19):
        alone = find_evidence(trained, rows, np.array([row]), reference=reference, most=2)
        assert [(one.kind, one.other) for one in together if one.row == row] == [(one.kind, one.other) for one in alone]


def test_no_row_asked_for_is_no_evidence(planted):
    rows, reference, trained = planted
    assert find_evidence(trained, rows, np.array([], np.int64), reference=reference) == []


def test_numbers_have_evidence_too():
    rows = measured(150)
    trained = train_proxies(rows, proxy="linear", seed=0, rounds=0)
    found = find_evidence(trained, rows, np.array([3]), reference=measured(40, seed=1))
    assert {one.kind for one in found} >= {"harms_reference", "helps_reference"}


def test_cells_to_blame_add_up_to_the_odds_of_the_suggested_label_against_the_given_one(planted):
    rows, reference, trained = planted
    columns = np.arange(rows.features.shape[1]) // 2  # two features to a column
    index = np.arange(5)
    found = find_evidence(trained, rows, index, reference=reference, columns=columns, most=1_000)
    fitted = trained.fitted["linear"]
    odds = np.log(fitted.predict(rows))
    turned = fitted.weights[trained.view.suggested[index]] - fitted.weights[rows.labels[index]]
    pulls = rows.features[index] * turned[:, :-1]
    for row in index:
        own = of_kind(found, "blamed_cell", row)
        by_column = np.bincount(columns, weights=pulls[row])
        assert {one.other: pytest.approx(one.value) for one in own} == {
            place: value for place, value in enumerate(by_column) if value > 0
        }
        assert [one.value for one in own] == sorted((one.value for one in own), reverse=True)
        whole = odds[row, trained.view.suggested[row]] - odds[row, rows.labels[row]]
        assert by_column.sum() + turned[row, -1] == pytest.approx(whole, abs=1e-4)
