"""`culpa store prune` forgets the scores of old runs, and nothing that tells who decided what, or why a row is gone."""

import json
from pathlib import Path

import pytest

from culpa.flows.command import answer
from culpa.tasks import store as stores
from culpa.tasks.errors import BadInput
from culpa.tasks.reviews.decide import decide
from culpa.tasks.upkeep.inspect import inspect
from culpa.tasks.upkeep.prune import WHOLLY, prune
from tests.tasks.real_store import carried, cleaned, pets_table, real_store
from tests.tasks.small_store import ask

KEPT = ("datasets", "runs", "rows", "reference_rows", "decisions", "outcomes", "gates", "held_back", "drifts")


@pytest.fixture(scope="module")
def two_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of one data set: last week's, of which p5 was dropped by bob, and today's, which has no p5."""
    folder = tmp_path_factory.mktemp("two_runs")
    real_store(folder)
    pets_table().query("id != 'p5'").reset_index(drop=True).to_parquet(folder / "pets.parquet")
    cleaned(folder)
    return folder


@pytest.fixture
def store(two_runs: Path, tmp_path: Path) -> Path:
    return carried(two_runs, tmp_path)


def age(store: Path, days: int, which: str = "true") -> None:
    with stores.transaction(store) as connection:
        for time in ("created_at", "flagged_at", "published_at"):
            connection.execute(f"UPDATE runs SET {time} = {time} - to_days(?) WHERE {which}", [days])


def last_week(store: Path) -> str:
    return str(ask(store, "SELECT run_id FROM runs ORDER BY created_at LIMIT 1")[0][0])


def lines(store: Path, table: str, run_id: str) -> int:
    return int(ask(store, f"SELECT count(*) FROM {table} WHERE run_id = ?", [run_id])[0][0])


def everything(store: Path, *tables: str) -> list[list[tuple[object, ...]]]:
    return [ask(store, f"SELECT * FROM {table} ORDER BY ALL") for table in tables]


def test_old_scores_go_and_what_people_said_and_did_stays(store: Path) -> None:
    old = last_week(store)
    age(store, 30)
    before, scores = everything(store, *KEPT[2:]), lines(store, "scores", old)
    pruned = prune(store, 7)
    assert pruned.runs == (old,)
    assert pruned.lines["scores"] == scores == 60
    assert [lines(store, table, old) for table in WHOLLY] == [0] * len(WHOLLY)
    assert everything(store, *KEPT[2:]) == before
    assert inspect(store).problems == ()


def test_why_a_row_is_missing_from_last_weeks_data_is_answered_as_before(store: Path) -> None:
    age(store, 30)
    before = everything(store, "row_history")
    prune(store, 7)
    assert everything(store, "row_history") == before
    asked = "SELECT outcome, why FROM row_history WHERE row_id = 'p5' AND run_id = ?"
    ((outcome, why),) = ask(store, asked, [last_week(store)])
    assert outcome == "dropped"
    assert why.startswith("gone: drop by bob")


def test_what_the_data_set_is_now_is_never_forgotten(store: Path) -> None:
    age(store, 30)
    now = ask(store, "SELECT run_id FROM latest_runs")[0][0]
    before = everything(store, "flagged", "review_queue", "clean_rows", "quarantine", "issue_summary")
    assert now not in prune(store, 0).runs
    assert lines(store, "scores", now) == 59
    assert everything(store, "flagged", "review_queue", "clean_rows", "quarantine", "issue_summary") == before


def test_a_young_run_keeps_its_scores(store: Path) -> None:
    age(store, 6)
    assert prune(store, 7).runs == ()
    assert lines(store, "scores", last_week(store)) == 60


def test_a_dry_run_tells_the_same_and_forgets_nothing(store: Path) -> None:
    age(store, 30)
    told = prune(store, 7, dry_run=True)
    assert lines(store, "scores", last_week(store)) == 60
    done = prune(store, 7)
    assert (told.runs, told.lines) == (done.runs, done.lines)
    assert prune(store, 7).runs == ()


def test_the_disk_gets_its_space_back(store: Path) -> None:
    old = last_week(store)
    with stores.transaction(store) as connection:  # as many scores as a real table has
        connection.execute(
            """INSERT INTO proxy_scores BY NAME SELECT ? AS run_id, md5(i::VARCHAR) AS row_id, 'linear' AS proxy,
               random() AS influence FROM range(300_000) t(i)""",
            [old],
        )
    age(store, 30)
    pruned = prune(store, 7)
    assert pruned.bytes_before == pytest.approx(pruned.bytes_after + pruned.bytes_free, rel=0.5)
    assert pruned.bytes_before - pruned.bytes_after + pruned.bytes_free > 5_000_000


def test_a_pruned_run_is_not_published_until_it_is_scored_anew(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = last_week(store)
    age(store, 30)
    prune(store, 7)
    assert answer(["publish", old, "--store", str(store), "--plain"]) == 2
    assert f"the scores of run {old} were pruned on" in capsys.readouterr().err
    pets_table().to_parquet(tmp_path / "pets.parquet")
    assert cleaned(tmp_path) == old
    assert lines(store, "scores", old) == 60
    assert ask(store, "SELECT forgotten_at FROM runs WHERE run_id = ?", [old]) == [(None,)]
    assert ask(store, "SELECT outcome FROM outcomes WHERE run_id = ? AND row_id = 'p5'", [old]) == [("dropped",)]


def test_decisions_on_pruned_rows_still_count(store: Path, tmp_path: Path) -> None:
    age(store, 30)
    prune(store, 7)
    decide(store, ["p13"], "defer", by="eva")
    said = ask(store, "SELECT decision FROM current_decisions WHERE row_id IN ('p3', 'p13') ORDER BY row_id")
    assert said == [("defer",), ("keep",)]


def test_the_command_says_what_it_forgot(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = last_week(store)
    age(store, 30)
    words = ["store", "prune", "--keep-days", "7", "--store", str(store)]
    assert answer([*words, "--dry-run", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["runs"], told["lines"]["scores"], told["dry_run"]) == ([old], 60, True)
    assert answer(words) == 0
    printed = capsys.readouterr().out
    assert "forgotten: 60 scores, 60 proxy_scores" in printed
    assert f"of 1 runs ({old})" in printed


def test_models_kept_for_replaced_runs_go_with_the_old_scores(store: Path) -> None:
    present = str(ask(store, "SELECT run_id FROM current_runs")[0][0])
    bases = store.with_name(f"{store.name}.cache") / "bases"
    for root in (present, last_week(store), ".draft"):
        (bases / f"{root}-0-0.1.0.bbbbbbbbbbbb").mkdir(parents=True)
    assert prune(store, 7, dry_run=True).models == 0
    assert prune(store, 7).models == 1
    assert {one.name.partition("-")[0] for one in bases.iterdir()} == {present, ".draft"}


def test_days_below_zero_are_refused(store: Path) -> None:
    with pytest.raises(BadInput, match=r"--keep-days must be zero or more, got -1"):
        prune(store, -1)
