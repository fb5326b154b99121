"""The review queue: what must be seen comes first, then what a look is worth, by a formula worked out here by hand."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from culpa.tasks.reviews.decide import decide
from culpa.tasks.store import transaction
from tests.tasks.small_store import PET_SCORES, PETS, SmallRun, ask, pets, small_run

QUEUE = "SELECT row_id, must_see FROM review_queue"
# of the most suspicious row 1 is expected to be wrong, of the next two 1, of the other seven 0.7
BUDGETS = [(1, 1.0, 3.0), (3, 2.0, 1.0), (10, 2.7, -4.0)]


def queue(run: SmallRun) -> dict[str, tuple[bool, float, float]]:
    found = ask(run.store, "SELECT row_id, must_see, expected_wrong, value FROM review_queue")
    return {row: (must_see, expected_wrong, value) for row, must_see, expected_wrong, value in found}


def calibrate(run: SmallRun, budgets: list[tuple[int, float, float]]) -> None:
    with transaction(run.store) as connection:
        connection.executemany(
            """INSERT INTO calibration (run_id, budget, wrong_expected, suspicion, precision_expected)
               VALUES ('aaaaaaaaaaaa', $1, $2, $3, $2 / $1)""",
            budgets,
        )


def scored(folder: Path, **changed: dict[str, Any]) -> SmallRun:
    """The small store with some scores changed: r4 and r7 would be dropped, r5 is flagged and stays."""
    scores = {row: {**PET_SCORES.get(row, {}), **changed.get(row, {})} for row in PET_SCORES}
    return pets(folder, scores=scores)


def test_the_share_of_wrong_labels_is_the_gain_from_one_budget_to_the_next(folder: Path) -> None:
    run = scored(folder)
    calibrate(run, BUDGETS)
    assert {row: expected for row, (_, expected, _) in queue(run).items()} == pytest.approx(
        {"r4": 1.0, "r7": 1 / 2, "r5": 0.7 / 7}  # suspicions 3, 2 and -3
    )


def test_a_look_is_worth_the_chance_that_the_rule_errs_times_what_is_at_stake(folder: Path) -> None:
    run = scored(folder, r7={"influence": -3.0})
    calibrate(run, BUDGETS)
    mean = (1.0 + 3.0 + 1.0) / 3  # |influence| of r4, r7, r5
    values = {row: value for row, (_, _, value) in queue(run).items()}
    assert values == pytest.approx({"r4": 0.0, "r7": (1 - 0.5) * 3 / mean, "r5": 0.1 * 1 / mean})
    assert list(values) == ["r7", "r4", "r5"]  # r5 is worth more than r4, but need not be seen


def test_where_influence_is_unknown_the_stake_is_one(folder: Path) -> None:
    run = scored(folder, r5={"influence": None})
    calibrate(run, BUDGETS)
    assert queue(run)["r5"][2] == pytest.approx(0.1)


def test_without_calibration_the_rows_own_probability_counts(folder: Path) -> None:
    found = queue(pets(folder))
    assert found["r4"] == (True, 0.99, pytest.approx(0.01))
    assert found["r5"] == (False, 0.01, pytest.approx(0.01))


def test_budgets_that_end_at_the_same_suspicion_are_one_band(folder: Path) -> None:
    run = scored(folder)
    calibrate(run, [(1, 0.9, 2.0), (4, 1.2, 2.0), (10, 1.8, -4.0)])
    assert queue(run)["r4"][1] == pytest.approx(1.2 / 4)
    assert queue(run)["r5"][1] == pytest.approx(0.6 / 6)


def test_a_share_beyond_one_is_cut_off(folder: Path) -> None:
    run = scored(folder)
    calibrate(run, [(1, 1.5, 3.0), (3, 1.2, 1.0), (10, 1.3, -4.0)])
    assert [queue(run)[row][1] for row in ("r4", "r7")] == [1.0, 0.0]


def test_what_the_gate_holds_back_need_not_be_seen_and_may_be_kept_in_error(folder: Path) -> None:
    run = pets(folder)
    with transaction(run.store) as connection:
        connection.execute("INSERT INTO held_back VALUES ('aaaaaaaaaaaa', 'r4', 'not shown to help')")
    assert queue(run)["r4"] == (False, 0.99, pytest.approx(0.99))


def test_a_valid_decision_takes_a_row_out_and_a_deferred_one_has_to_be_seen_still(folder: Path) -> None:
    run = pets(folder)
    decide(run.store, ["r4"], "keep", by="ann")
    decide(run.store, ["r5"], "defer", by="ann")
    assert dict(ask(run.store, QUEUE)) == {"r7": True, "r5": True}


def test_rows_that_are_not_flagged_wait_where_their_decision_no_longer_stands(folder: Path) -> None:
    run = pets(folder)
    decide(run.store, ["r0", "r1"], "drop", by="ann")
    changed = PETS.set_column(1, "weight", pa.array([99.0, *PETS["weight"].to_pylist()[1:]]))
    small_run(folder, changed, PET_SCORES, run_id="bbbbbbbbbbbb", at="2026-02-01 00:00:00").tag()
    with transaction(run.store) as connection:
        connection.execute("INSERT INTO decisions (row_id, decision, new_label) VALUES ('r8', 'relabel', 'cow')")
    found = ask(run.store, "SELECT row_id, must_see, decision_state, weight FROM review_queue WHERE tag = 'neither'")
    assert sorted(found) == [("r0", True, "stale", 99.0), ("r8", True, "invalid", 4.2)]
    assert ask(run.store, "SELECT count(*) FROM flagged") == [(3,)]


def test_every_data_set_has_its_own_queue(folder: Path) -> None:
    run = pets(folder)
    small_run(folder, PETS, PET_SCORES, dataset="farm", run_id="bbbbbbbbbbbb").tag()
    decide(run.store, ["r4"], "drop", by="ann", dataset="pets")
    assert ask(run.store, "SELECT row_id FROM review_queue_pets") == [("r7",), ("r5",)]
    assert ask(run.store, "SELECT row_id FROM review_queue_farm") == ask(run.store, "SELECT row_id FROM review_queue")
    assert len(ask(run.store, "SELECT row_id FROM review_queue")) == 3
