"""The gate on whole runs: what helps is published, what harms is held back, and people are never overruled."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from culpa.flows import plain
from culpa.flows.command import answer
from culpa.tasks.errors import BadInput, Refused
from culpa.tasks.proving.gate import gate
from culpa.tasks.publishing.publish import publish
from culpa.tasks.reviews.decide import decide
from culpa.tasks.runs import query
from culpa.tasks.store import connect

QUICK = {"label": "kind", "key": "id", "proxy": "linear", "calibrate": False, "faithfulness": False, "report": False}
BAD_RULE = """SELECT row_id, true AS memorized, true AS harmful, 'the most memorized' AS reason FROM scores
WHERE run_id = $run_id QUALIFY row_number() OVER (ORDER BY memorization DESC) <= 100"""


def blobs(rows: int, seed: int, *, wrong: float = 0.0) -> pd.DataFrame:
    """Three kinds, well apart; a share of them under another's name."""
    generator = np.random.default_rng(seed)
    truth = generator.integers(0, 3, rows)
    kind = np.where(generator.random(rows) < wrong, (truth + generator.integers(1, 3, rows)) % 3, truth)
    features = 1.5 * np.eye(6)[2 * truth] + generator.normal(size=(rows, 6))
    table = pd.DataFrame(features, columns=[f"x{place}" for place in range(6)])
    return table.assign(id=[f"{seed}-{row}" for row in range(rows)], kind=[f"kind {code}" for code in kind])


def long_tail(counts: np.ndarray, seed: int) -> pd.DataFrame:
    """Sixty sorts of rows, each with a direction and a kind of its own: `counts` of them, nothing wrong."""
    generator = np.random.default_rng(seed)
    sort = np.repeat(np.arange(60), counts)
    same = np.random.default_rng(0)
    directions = np.linalg.qr(same.normal(size=(60, 60)))[0]
    features = 3 * directions[sort] + 0.3 * generator.normal(size=(len(sort), 60))
    kind = same.integers(0, 3, 60)[sort]
    table = pd.DataFrame(features, columns=[f"x{place}" for place in range(60)])
    return table.assign(id=[f"{seed}-{row}" for row in range(len(sort))], kind=[f"kind {code}" for code in kind])


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    blobs(400, 1, wrong=0.2).to_parquet("train.parquet", index=False)
    blobs(200, 2).to_parquet("trusted.parquet", index=False)
    return tmp_path


@pytest.fixture
def tail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Ten frequent sorts and fifty rare ones, and trusted rows of every sort."""
    monkeypatch.chdir(tmp_path)
    long_tail(np.array([20] * 10 + [5] * 50), 1).to_parquet("train.parquet", index=False)
    long_tail(np.full(60, 5), 2).to_parquet("trusted.parquet", index=False)
    Path("bad.sql").write_text(BAD_RULE)
    return tmp_path


def gates(column: str) -> object:
    return query(Path("culpa.duckdb"), f"SELECT {column} FROM gates").to_pylist()[0][column]


def test_what_helps_is_published_with_its_proof(here: Path) -> None:
    result = plain.clean("train.parquet", **QUICK, reference="trusted.parquet", gate="better")
    assert result.verdict == "better"
    assert result.refused is None
    assert result.dropped > 40
    assert (gates("trusted"), gates("judge"), gates("passed")) == (True, "linear", True)
    assert gates("choosing_rows") + gates("judging_rows") == 200
    said = json.loads(Path(str(result.manifest)).read_text())["gate"]
    assert said["verdict"] == "better"
    assert {one["judge"] for one in said["effects"]} == {"linear", "sklearn.ensemble:RandomForestClassifier"}


def test_without_trusted_rows_parts_of_the_rows_judge_and_the_gate_says_so(here: Path) -> None:
    result = plain.clean("train.parquet", **QUICK)
    assert result.verdict in ("better", "not worse")
    assert result.dropped > 40
    assert "nobody vouches for" in str(result.because)
    on = {row["judged_on"] for row in query(Path("culpa.duckdb"), "SELECT * FROM gate_effects").to_pylist()}
    assert on == {"agreeing rows", "all rows"}


def test_dropping_the_most_memorized_rows_of_a_long_tail_is_refused_with_exit_code_three(tail: Path) -> None:
    words = ["clean", "train.parquet", "--label", "kind", "--key", "id", "--proxy", "linear", "--plain", "--rule"]
    code = answer([*words, "bad.sql", "--reference", "trusted.parquet", "--max-drop-per-class", "1", "--no-calibrate"])
    assert code == 3
    pd.testing.assert_frame_equal(pd.read_parquet("train.cleaned.parquet"), pd.read_parquet("train.parquet"))
    assert gates("verdict") == "worse"
    assert (gates("proposed"), gates("allowed")) == (100, 0)
    assert "worse by more than the margin" in str(gates("reason"))


def test_the_bad_rule_is_refused_without_trusted_rows_too(tail: Path) -> None:
    result = plain.clean("train.parquet", **QUICK, rule="bad.sql", max_drop_per_class=1.0)
    assert result.refused is not None
    assert result.dropped == 0


def test_peoples_decisions_stand_where_the_gate_refuses(tail: Path) -> None:
    options = {**QUICK, "rule": "bad.sql", "reference": "trusted.parquet", "max_drop_per_class": 1.0}
    first = plain.clean("train.parquet", **options)
    decide(Path("culpa.duckdb"), ["1-7"], "drop", by="ada")
    again = plain.publish(first.run_id)
    assert (first.dropped, again.dropped) == (0, 1)
    assert again.refused is not None


def test_gate_off_drops_what_was_held_back(tail: Path) -> None:
    options = {**QUICK, "rule": "bad.sql", "reference": "trusted.parquet", "max_drop_per_class": 1.0}
    refused = plain.clean("train.parquet", **options)
    published = plain.publish(refused.run_id, gate="off", max_drop=1.0, max_drop_per_class=1.0)
    assert (refused.dropped, published.dropped) == (0, 100)
    assert query(Path("culpa.duckdb"), "SELECT count(*) AS n FROM held_back").to_pylist() == [{"n": 0}]


def test_a_row_held_back_says_so_in_its_history(tail: Path) -> None:
    options = {**QUICK, "rule": "bad.sql", "reference": "trusted.parquet", "max_drop_per_class": 1.0}
    plain.clean("train.parquet", **options)
    why = query(Path("culpa.duckdb"), "SELECT why FROM row_history WHERE why LIKE '%memorized%' LIMIT 1").to_pylist()
    assert "held back by the gate: refused, worse" in why[0]["why"]


def test_a_users_own_model_judges_on_a_file_of_theirs(here: Path) -> None:
    blobs(300, 3).to_parquet("mine.parquet", index=False)
    judge = "sklearn.linear_model:LogisticRegression"
    result = plain.clean("train.parquet", **QUICK, judge=judge, judge_on="mine.parquet")
    assert (gates("judge"), gates("trusted")) == (judge, True)
    assert gates("choosing_rows") + gates("judging_rows") == 300
    assert result.dropped > 15
    assert {row["judge"] for row in query(Path("culpa.duckdb"), "SELECT judge FROM gate_effects").to_pylist()} == {
        judge, "linear",
    }  # fmt: skip


def test_a_later_publish_is_judged_on_the_users_file_again(here: Path) -> None:
    blobs(300, 3).to_parquet("mine.parquet", index=False)
    first = plain.clean("train.parquet", **QUICK, reference="trusted.parquet", judge_on="mine.parquet")
    before = (gates("choosing_rows"), gates("judging_rows"))
    row = query(Path("culpa.duckdb"), "SELECT row_id FROM flagged LIMIT 1").to_pylist()[0]["row_id"]
    decide(Path("culpa.duckdb"), [row], "keep", by="ada")
    plain.publish(first.run_id)
    assert (gates("choosing_rows"), gates("judging_rows")) == before == (200, 300)


def test_a_decision_between_gate_and_publish_stops_the_publish(tail: Path) -> None:
    options = {**QUICK, "rule": "bad.sql", "reference": "trusted.parquet", "max_drop_per_class": 1.0}
    run = plain.flag("train.parquet", **options).run_id
    judged = gate(Path("culpa.duckdb"), run)
    row = query(Path("culpa.duckdb"), "SELECT row_id FROM held_back LIMIT 1").to_pylist()[0]["row_id"]
    decide(Path("culpa.duckdb"), [row], "drop", by="ada")
    with pytest.raises(Refused, match="changed after the gate judged"):
        publish(Path("culpa.duckdb"), run, Path("out.parquet"), judged=judged)
    assert not Path("out.parquet").exists()


def test_the_rule_is_not_blamed_for_what_people_decide(here: Path) -> None:
    """People drop right rows: the gate weighs what the rule adds to that."""
    first = plain.clean("train.parquet", **QUICK, reference="trusted.parquet")
    kept = pd.read_parquet("train.cleaned.parquet")["id"].head(120)
    decide(Path("culpa.duckdb"), list(kept), "drop", by="ada")
    again = plain.publish(first.run_id, max_drop=1.0, max_drop_per_class=1.0)
    assert again.refused is None
    comparisons = query(Path("culpa.duckdb"), "SELECT DISTINCT comparison FROM gate_effects").to_pylist()
    assert {"comparison": "cleaned less decisions alone"} in comparisons


def test_an_impossible_label_written_in_sql_is_named(here: Path) -> None:
    first = plain.clean("train.parquet", **QUICK, reference="trusted.parquet")
    with connect(Path("culpa.duckdb")) as connection:
        connection.execute(
            "INSERT INTO decisions (row_id, decision, new_label, reviewed_by) VALUES ('1-7', 'relabel', 'cat', 'ada')"
        )
    with pytest.raises(BadInput, match="row 1-7 is relabelled as 'cat'"):
        plain.publish(first.run_id)


def test_a_plan_is_judged_once_and_again_after_a_decision(here: Path) -> None:
    first = plain.clean("train.parquet", **QUICK, reference="trusted.parquet")
    judged = gates("judged_at")
    plain.publish(first.run_id)
    assert gates("judged_at") == judged
    row = query(Path("culpa.duckdb"), "SELECT row_id FROM flagged LIMIT 1").to_pylist()[0]["row_id"]
    decide(Path("culpa.duckdb"), [row], "keep", by="ada")
    plain.publish(first.run_id)
    assert gates("judged_at") != judged


def test_on_right_labels_next_to_nothing_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blobs(400, 1).to_parquet("train.parquet", index=False)
    assert plain.clean("train.parquet", **QUICK).dropped <= 4


def test_numbers_to_predict_are_judged_by_their_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    generator = np.random.default_rng(0)
    features = generator.normal(size=(500, 4))
    price = features @ [3.0, -2.0, 1.0, 0.0] + 0.3 * generator.normal(size=500)
    price[:50] += generator.choice([-15, 15], 50)
    table = pd.DataFrame(features, columns=list("abcd")).assign(id=range(500), kind=price)
    table.to_parquet("train.parquet", index=False)
    result = plain.clean("train.parquet", **QUICK)
    assert result.dropped >= 40
    with connect(Path("culpa.duckdb"), read_only=True) as connection:
        found = connection.execute("SELECT DISTINCT metric FROM gate_effects WHERE judge = 'linear'").fetchall()
    assert {metric for (metric,) in found} == {"rmse", "mae"}


def test_too_few_judges_hold_everything_back(here: Path) -> None:
    blobs(12, 4).to_parquet("few.parquet", index=False)
    result = plain.clean("train.parquet", **QUICK, reference="few.parquet")
    assert result.verdict == "not shown"
    assert "Bring more trusted rows" in str(result.refused)
    assert result.dropped == 0
