"""require_review: nothing is published while rows wait that a person has to see."""

from pathlib import Path

import pytest

from culpa.flows.command import answer
from culpa.tasks.errors import Refused
from culpa.tasks.reviews.decide import decide
from culpa.tasks.settings import read_settings
from culpa.tasks.store import transaction
from tests.tasks.small_store import HARMFUL, PETS, ask, come_onto, pets, small_run


def test_a_publish_is_refused_until_every_row_the_rule_would_drop_was_decided(folder: Path) -> None:
    run = pets(folder)
    with pytest.raises(
        Refused, match=r"2 rows have to be seen by a person first \(r4, r7\): look at `select \* from review_"
    ):
        run.publish(require_review=True)
    decide(run.store, ["r4"], "drop", by="ann")
    decide(run.store, ["r7"], "defer", by="ann")
    with pytest.raises(Refused, match=r"1 rows have to be seen by a person first \(r7\)"):
        run.publish(require_review=True)
    assert not (folder / "cleaned.parquet").exists()
    decide(run.store, ["r7"], "keep", by="ann")
    assert run.publish(require_review=True).counts["dropped"] == 1


def test_the_query_that_the_refusal_names_shows_these_rows(folder: Path) -> None:
    run = pets(folder)
    with pytest.raises(Refused) as refused:
        run.publish(require_review=True)
    query = str(refused.value).split("`")[1]
    assert {row for row, *_ in ask(run.store, query)} == {"r4", "r7"}


def test_what_the_gate_holds_back_need_not_be_seen(folder: Path) -> None:
    run = pets(folder)
    with transaction(run.store) as connection:
        connection.execute("INSERT INTO held_back SELECT run_id, row_id, 'not shown to help' FROM tags WHERE droppable")
    assert run.publish(require_review=True).counts["dropped"] == 0


def test_a_stale_decision_has_to_be_seen_even_where_the_rule_drops_nothing(folder: Path) -> None:
    run = pets(folder)
    decide(run.store, ["r0"], "keep", by="ann")
    new = small_run(folder, PETS.set_column(1, "weight", [[1.0] * 10]), {}, run_id="bbbbbbbbbbbb", at="2026-02-01")
    new.tag()
    with pytest.raises(Refused, match=r"1 rows have to be seen by a person first \(r0\)"):
        new.publish(require_review=True)


def test_a_version_that_a_batch_has_replaced_is_nobodys_to_see(folder: Path) -> None:
    run = pets(folder)
    decide(run.store, ["r7"], "keep", by="ann")
    batch = small_run(folder, PETS.slice(4, 1), {"r4": HARMFUL}, run_id="bbbbbbbbbbbb", at="2026-02-01")
    batch.tag()
    come_onto(batch, run.run_id)
    assert run.publish(require_review=True).counts["dropped"] == 1
    with pytest.raises(Refused, match=r"\(r4\)"):
        batch.publish(require_review=True, max_drop=1.0, max_drop_per_class=1.0)


def test_the_command_leaves_with_the_code_of_a_guard(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = pets(folder)
    monkeypatch.setattr("culpa.flows.story._reported", lambda result, steps: result)  # the page takes seconds
    words = ["publish", run.run_id, "--plain", "--gate", "off", "--max-drop", "1", "--out", "out.parquet"]
    assert answer([*words, "--require-review"]) == 3
    assert "2 rows have to be seen by a person first" in capsys.readouterr().err
    decide(run.store, ["r4", "r7"], "drop", by="ann")
    assert answer([*words, "--require-review"]) == 0


def test_the_setting_is_no_part_of_the_answer() -> None:
    asked = read_settings("a.parquet", label="y", require_review=True)
    assert asked.answer_settings() == read_settings("a.parquet", label="y").answer_settings()
