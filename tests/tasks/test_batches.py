"""Batches that come onto a data set: only what is new is scored, nothing is lost, nothing is done twice."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from culpa.flows.plain import clean, flag, publish
from culpa.influence.linear.growing import Growing
from culpa.tasks.batch import base, sides
from culpa.tasks.batch import score as batch_score
from culpa.tasks.errors import BadInput, CulpaError
from culpa.tasks.explain import explain
from culpa.tasks.ingest import ingest
from culpa.tasks.reviews.decide import decide
from culpa.tasks.runs import query
from culpa.tasks.score import score
from culpa.tasks.settings import read_settings
from culpa.tasks.tag import tag
from culpa.tasks.train import train
from culpa.tasks.upkeep.inspect import inspect

CHEAP = {"calibrate": False, "faithfulness": False, "report": False, "gate": "off", "proxy": "linear"}
CLASSES = 3


def table(rows, *, first=0, wrong=0.08, seed=0, confuse=0.0):
    """Rows of a linear rule, named from `first` on; and which of them are wrong."""
    generator = np.random.default_rng(seed)
    features = generator.normal(size=(rows, 4))
    truth = (features @ np.random.default_rng(4).normal(size=(4, CLASSES)) * 4).argmax(axis=1)
    given, flipped = truth.copy(), generator.random(rows) < wrong
    given[flipped] = (given[flipped] + generator.integers(1, CLASSES, flipped.sum())) % CLASSES
    given[(truth == 0) & (generator.random(rows) < confuse)] = 1
    frame = pd.DataFrame(features, columns=["a", "b", "c", "d"])
    frame.insert(0, "id", [f"row {first + k}" for k in range(rows)])
    frame["legs"] = 4
    frame["label"] = np.array(["cat", "dog", "eel"])[given]
    return frame, given != truth


class Pets:
    """A data set of 600 rows in a store, and what comes onto it."""

    def __init__(self, folder, **options):
        self.folder, self.store = folder, folder / "culpa.duckdb"
        self.options = {"label": "label", "key": "id", "store": self.store, "onto": "pets", **CHEAP, **options}
        self.first, self.wrong = table(600)
        self.root = None

    def begun(self):
        """With the full run."""
        self.root = self.clean(self.first, "first")
        return self

    def clean(self, frame, name, story=clean, **options):
        file = self.folder / f"{name}.parquet"
        frame.to_parquet(file, index=False)
        if story is clean:
            options = {"out": self.folder / f"{name}.cleaned.parquet", **options}
        return story(file, **{**self.options, **options})

    def asked(self, sql):
        return query(self.store, sql).to_pylist()

    def report(self, result):
        return json.loads(self.one(f"SELECT report::VARCHAR FROM runs WHERE run_id = '{result.run_id}'"))

    def one(self, sql):
        return next(iter(self.asked(sql)[0].values()))


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    return Pets(tmp_path_factory.mktemp("begun")).begun()


@pytest.fixture
def pets(begun, tmp_path, monkeypatch):
    monkeypatch.setattr(sides, "LEAST_BESIDE", 100)
    for file in begun.folder.iterdir():
        shutil.copy(file, tmp_path)
    copied = Pets(tmp_path)
    copied.root = begun.root
    return copied


def test_a_batch_is_scored_alone_and_its_file_balances(pets):
    batch, wrong = table(90, first=600, seed=1)
    result = pets.clean(batch, "second")
    assert result.rows == 90
    assert pets.one(f"SELECT onto FROM runs WHERE run_id = '{result.run_id}'") == pets.root.run_id
    assert pets.one(f"SELECT count(*) FROM scores WHERE run_id = '{result.run_id}'") == 90
    kept, gone = pd.read_parquet(result.clean), pd.read_parquet(result.quarantine)
    assert sorted([*kept["id"], *gone["id"]]) == sorted(batch["id"])
    dropped = batch["id"].isin(gone["id"]).to_numpy()
    assert wrong[dropped].mean() > 0.7
    assert wrong[dropped].sum() > 0.5 * wrong.sum()
    assert pets.one("SELECT (SELECT count(*) FROM clean_rows) + (SELECT count(*) FROM quarantine)") == 690


def test_a_batch_that_comes_twice_changes_nothing(pets):
    batch, _ = table(60, first=600, seed=1)
    once = pets.clean(batch, "second")
    before = {file.name: file.read_bytes() for file in pets.folder.glob("second.*")}
    stamp = pets.asked("SELECT run_id, flagged_at, published_at FROM runs ORDER BY run_id")
    twice = pets.clean(batch, "second")
    again = pets.clean(batch, "other name", out=pets.folder / "second.cleaned.parquet")
    assert (twice.run_id, again.run_id) == (once.run_id, once.run_id)
    assert twice.unchanged
    assert again.unchanged
    assert before == {file.name: file.read_bytes() for file in pets.folder.glob("second.*")}
    assert stamp == pets.asked("SELECT run_id, flagged_at, published_at FROM runs ORDER BY run_id")


def test_the_first_input_that_comes_again_is_the_full_run(pets):
    assert pets.clean(pets.first, "first").run_id == pets.root.run_id


def test_rows_that_come_again_carry_their_scores_on_and_changed_ones_are_scored_anew(pets):
    batch, _ = table(30, first=600, seed=1)
    changed = pets.first.iloc[:5].assign(a=9.0)
    both = pd.concat([pets.first.iloc[5:25], changed, batch])
    result = pets.clean(both, "mixed", flag)
    carried = f"SELECT * FROM carried WHERE run_id = '{result.run_id}'"
    assert pets.one(f"SELECT count(*) FROM ({carried})") == 20
    assert pets.one(f"SELECT count(DISTINCT from_run) FROM ({carried})") == 1
    differ = pets.one(
        f"""SELECT count(*) FROM ({carried}) c JOIN scores now USING (run_id, row_id)
            JOIN scores before ON before.run_id = c.from_run AND before.row_id = c.row_id
            WHERE now.suspicion <> before.suspicion"""
    )
    assert differ == 0
    moved = pets.one(
        f"""SELECT count(*) FROM scores now JOIN scores before USING (row_id)
            WHERE now.run_id = '{result.run_id}' AND before.run_id = '{pets.root.run_id}'
              AND now.row_id IN ('row 0', 'row 1', 'row 2', 'row 3', 'row 4') AND now.suspicion <> before.suspicion"""
    )
    assert moved == 5
    assert pets.one("SELECT count(*) FROM (SELECT row_id FROM current_rows)") == 630


def test_a_growing_folder_scores_only_what_came_since(tmp_path, monkeypatch):
    monkeypatch.setattr(sides, "LEAST_BESIDE", 100)
    folder = tmp_path / "incoming"
    folder.mkdir()
    options = {"label": "label", "key": "id", "store": tmp_path / "s.duckdb", "onto": "pets", **CHEAP}
    first, second = table(500)[0], table(50, first=500, seed=1)[0]
    first.to_parquet(folder / "day 1.parquet", index=False)
    clean(folder, out=tmp_path / "all.parquet", **options)
    second.to_parquet(folder / "day 2.parquet", index=False)
    result = clean(folder, out=tmp_path / "all.parquet", **options)
    assert result.rows == 550
    asked = f"SELECT count(*) AS n FROM carried WHERE run_id = '{result.run_id}'"
    assert query(tmp_path / "s.duckdb", asked).to_pylist() == [{"n": 500}]
    kept, gone = pd.read_parquet(result.clean), pd.read_parquet(result.quarantine)
    assert sorted([*kept["id"], *gone["id"]]) == sorted([*first["id"], *second["id"]])


def test_a_decision_holds_over_batches_and_turns_stale_when_the_row_changes(pets):
    decide(pets.store, ["row 3", "row 7"], "drop", by="ann")
    again = pets.first.iloc[[3, 7]].assign(a=[pets.first["a"][3], 5.0])
    result = pets.clean(again, "again", max_drop=1.0, max_drop_per_class=1.0)
    assert "row 3" in set(pd.read_parquet(result.quarantine)["id"])
    states = "SELECT row_id, state FROM current_decisions ORDER BY row_id"
    assert pets.asked(states) == [{"row_id": "row 3", "state": "valid"}, {"row_id": "row 7", "state": "stale"}]


def test_what_people_refuse_leaves_the_model_that_judges_the_next_batch(pets, monkeypatch):
    moves = []

    def joined(self, joining, leaving, inner=Growing.joined):
        moves.append((len(joining), len(leaving)))
        return inner(self, joining, leaving)

    monkeypatch.setattr(Growing, "joined", joined)
    pets.clean(table(20, first=600, seed=1)[0], "second", flag)
    kept = [row["row_id"] for row in pets.asked("SELECT row_id FROM clean_rows WHERE row_id < 'row 2' LIMIT 3")]
    decide(pets.store, kept, "drop", by="ann")
    pets.clean(table(20, first=620, seed=2)[0], "third", flag)
    dropped = pets.one("SELECT count(*) FROM quarantine WHERE row_id >= 'row 600' AND row_id < 'row 620'")
    assert moves[0] == (20, 0)
    assert moves[1] == (20, 3 + dropped)


def test_a_batch_gets_the_same_scores_whether_the_model_was_kept_or_begins_again(pets):
    batch = table(40, first=600, seed=1)[0]
    pets.clean(table(20, first=700, seed=2)[0], "between", flag)
    bases = pets.store.with_name(pets.store.name + ".cache") / "bases"
    assert len(list(bases.iterdir())) == 1
    with_model = pets.clean(batch, "second", flag).run_id
    scores = f"SELECT row_id, suspicion, influence FROM scores WHERE run_id = '{with_model}' ORDER BY row_id"
    kept = pd.DataFrame(pets.asked(scores))
    for file in bases.rglob("*.safetensors"):
        file.write_bytes(b"not a model")
    renamed = batch.assign(id=[f"other {k}" for k in range(len(batch))])
    anew = pets.clean(renamed.iloc[::-1], "anew", flag).run_id
    begun = pd.DataFrame(pets.asked(scores.replace(with_model, anew)))
    assert len(begun) == len(kept)
    assert np.corrcoef(np.sort(kept["suspicion"]), np.sort(begun["suspicion"]))[0, 1] > 0.99


def test_what_comes_new_in_a_growing_folder_is_judged_beside_the_rows_that_were_there(pets):
    batch, wrong = table(60, first=600, seed=1, wrong=0.15)
    result = pets.clean(pd.concat([pets.first, batch]), "grown", flag)
    report = pets.report(result)
    assert report["fresh"] == 60
    accepted = pets.one(f"SELECT count(*) FROM tags WHERE run_id = '{pets.root.run_id}' AND NOT droppable")
    assert report["rows_in_model"] == accepted + 60
    found = pets.asked(f"SELECT row_id, suspicion FROM scores WHERE run_id = '{result.run_id}'")
    suspicion = pd.Series({one["row_id"]: one["suspicion"] for one in found})[batch["id"]].to_numpy()
    assert roc_auc_score(wrong, suspicion) > 0.9


def test_a_single_new_row_and_none_at_all_are_no_trouble(pets):
    one_more = pd.concat([pets.first, table(1, first=700, seed=3)[0]])
    assert pets.clean(one_more, "one more", flag).rows == 601
    assert pets.clean(pets.first, "first again", flag, seed=1).rows == 600


def test_rows_that_are_carried_on_keep_their_tags_whatever_the_batch_is_asked_for(pets):
    lax = {"probability_wrong_threshold": 0.0, "false_discovery_rate": 0.9, "max_drop": 1.0, "max_drop_per_class": 1.0}
    result = pets.clean(pets.first.iloc[:200], "lax", **lax)
    gone = set(pd.read_parquet(result.quarantine)["id"])
    before = set(pd.read_parquet(pets.folder / "first.cleaned.quarantine.parquet")["id"])
    assert gone == before & set(pets.first["id"][:200])
    assert gone


def test_a_second_beginning_of_a_data_set_is_refused_and_comes_onto_the_first_when_run_again(tmp_path, monkeypatch):
    pets, late = Pets(tmp_path), tmp_path / "late.parquet"
    table(100, first=900, seed=5)[0].to_parquet(late, index=False)
    settings = read_settings(late, **pets.options)
    begun = ingest(settings)  # before there is a data set
    pets.begun()
    with pytest.raises(CulpaError, match="run the same command again"):
        tag(begun, score(begun, train(begun, settings), settings), settings)
    again = flag(late, **pets.options)
    assert pets.one(f"SELECT onto FROM runs WHERE run_id = '{again.run_id}'") == pets.root.run_id
    assert pets.one("SELECT count(*) FROM (SELECT row_id FROM current_rows)") == 700


def test_a_model_that_most_rows_left_begins_again(pets):
    pets.clean(table(20, first=600, seed=1)[0], "second", flag)
    decide(pets.store, [f"row {number}" for number in range(300)], "drop", by="ann")
    report = pets.report(pets.clean(table(20, first=620, seed=2)[0], "third", flag))
    assert report["proxies"]["linear"]["changed_since_whole_fit"] == 20
    assert report["rows_in_model"] < 350


def test_a_kept_model_that_is_taken_away_meanwhile_costs_one_whole_fit(pets, monkeypatch):
    pets.clean(table(20, first=600, seed=1)[0], "second", flag)
    taken = []

    def find(*asked, inner=base.find):
        taken.append(inner(*asked))
        shutil.rmtree(taken[0])
        return taken[0]

    monkeypatch.setattr(base, "find", find)
    report = pets.report(pets.clean(table(20, first=620, seed=2)[0], "third", flag))
    assert taken[0] is not None
    assert report["proxies"]["linear"]["changed_since_whole_fit"] == 20


def test_where_no_model_can_begin_a_batch_is_judged_beside_the_rows_as_well(pets, monkeypatch):
    def no_model(*_):
        raise ValueError("too large a model")

    monkeypatch.setattr(batch_score, "begin", no_model)
    batch, wrong = table(200, first=600, seed=1)
    run = pets.clean(batch, "second", flag)
    assert pets.report(run)["scored_by"] == "the proxies of the batch and the rows beside it"
    found = pd.DataFrame(pets.asked(f"SELECT row_id, suspicion FROM scores WHERE run_id = '{run.run_id}'"))
    suspicion = found.set_index("row_id").loc[batch["id"], "suspicion"]
    assert roc_auc_score(wrong, suspicion) > 0.97


def test_of_a_handful_of_rows_a_few_may_go_whatever_their_share(pets):
    batch = table(40, first=600, seed=1, wrong=0.0)[0].iloc[:4]
    turned = batch.assign(label=batch["label"].map({"cat": "dog", "dog": "eel", "eel": "cat"}))
    assert pets.clean(turned, "few").dropped >= 2


def test_a_store_with_batches_passes_its_check_and_explains_by_rows_of_other_batches(pets):
    result = pets.clean(table(60, first=600, seed=1)[0], "second")
    assert not inspect(pets.store).problems
    row = pets.one(f"SELECT row_id FROM evidence WHERE run_id = '{result.run_id}' AND kind = 'outvoted_by' LIMIT 1")
    told = [line for line in explain(pets.store, row).text.splitlines() if "outvoted by" in line]
    assert told
    assert all(" labelled " in line for line in told)


@pytest.mark.parametrize("proxy", ["forest", "neighbors"])
def test_other_proxies_judge_a_batch_beside_a_bounded_part_of_the_data_set(tmp_path, monkeypatch, proxy):
    monkeypatch.setattr(sides, "LEAST_BESIDE", 100)
    pets = Pets(tmp_path, proxy=proxy).begun()
    batch, wrong = table(40, first=600, seed=1, wrong=0.15)
    result = pets.clean(batch, "second", flag)
    report = pets.one(f"SELECT CAST(report AS VARCHAR) FROM runs WHERE run_id = '{result.run_id}'")
    assert '"scored_beside": 160' in report
    found = pets.asked(f"SELECT row_id, suspicion FROM scores WHERE run_id = '{result.run_id}'")
    suspicion = pd.Series({one["row_id"]: one["suspicion"] for one in found})[batch["id"]].to_numpy()
    assert suspicion[wrong].mean() > suspicion[~wrong].mean() + 2


@pytest.mark.slow
def test_the_gate_lets_a_proven_rule_through_and_holds_what_was_held(tmp_path, monkeypatch):
    monkeypatch.setattr(sides, "LEAST_BESIDE", 300)
    pets = Pets(tmp_path, gate="not-worse", seeds=2, rounds=0).begun()
    assert pets.root.dropped
    batch, wrong = table(120, first=600, seed=1)
    result = pets.clean(batch, "second")
    assert result.verdict in ("better", "not worse")
    dropped = batch["id"].isin(pd.read_parquet(result.quarantine)["id"]).to_numpy()
    assert dropped.any()
    assert wrong[dropped].mean() > 0.7
    again = publish(result.run_id, store=pets.store, out=pets.folder / "again.parquet")
    assert again.dropped == result.dropped


def test_a_source_that_goes_bad_is_named_with_the_day_since_when(pets):
    good = pets.clean(table(100, first=600, seed=1)[0], "site-1", flag)
    assert not good.warnings
    bad = pets.clean(table(100, first=700, seed=2, confuse=0.5)[0], "site-2", flag)
    worse = pets.clean(table(100, first=800, seed=3, confuse=0.5)[0], "site-3", flag)
    for result in (bad, worse):
        told = [warning for warning in result.warnings if "dog -> cat" in warning]
        assert len(told) == 1
        assert told[0].startswith("drift: site-*.parquet, since ")
    since = pets.asked("SELECT run_id, since FROM drifts WHERE what = 'dog -> cat' ORDER BY run_id")
    began = pets.one(f"SELECT created_at FROM runs WHERE run_id = '{bad.run_id}'")
    assert {one["since"] for one in since} == {began}


def test_the_report_says_that_a_run_is_a_batch_and_what_drifted(pets):
    result = pets.clean(table(100, first=600, seed=2, confuse=0.5)[0], "site-2", flag, report=True)
    page = result.report.read_text(encoding="utf-8")
    assert f"a batch onto the full run <code>{pets.root.run_id}</code>: 100 rows were scored" in page
    assert "drift: site-*.parquet" in page


def test_a_column_can_say_which_source_a_row_is_from(tmp_path, monkeypatch):
    monkeypatch.setattr(sides, "LEAST_BESIDE", 100)
    pets = Pets(tmp_path, ignore=("tag",), source_column="tag")  # a name of our own
    pets.clean(pets.first.assign(tag="north"), "first", flag)
    good, bad = table(100, first=600, seed=1)[0], table(100, first=700, seed=2, confuse=0.5)[0]
    pets.clean(pd.concat([good.assign(tag="north"), bad.assign(tag="south")]), "both", flag)
    assert {one["source"] for one in pets.asked("SELECT source FROM drifts WHERE what = 'dog -> cat'")} == {"south"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame.drop(columns="b"), "lacks 'b'"),
        (lambda frame: frame.assign(e=1.0), "brings 'e'"),
        (lambda frame: frame.assign(label="yak"), r"does not know \('yak'"),
        (lambda frame: frame.assign(a="many"), "cannot read"),
        (lambda frame: frame.assign(legs=[*range(9), 1.7]), "would round"),
    ],
)
def test_a_batch_that_does_not_fit_is_refused_before_any_work(pets, change, message):
    runs = pets.asked("SELECT * FROM runs")
    with pytest.raises(BadInput, match=message):
        pets.clean(change(table(10, first=600)[0]), "odd")
    assert pets.asked("SELECT * FROM runs") == runs


def test_another_label_or_key_than_the_data_sets_is_refused(pets):
    with pytest.raises(BadInput, match="the key of the data set pets is 'id', got None"):
        pets.clean(table(10, first=600)[0], "odd", key=None)


def test_columns_in_another_order_and_whole_numbers_are_read_as_the_data_set_has_them(pets):
    batch = table(30, first=600, seed=1)[0][["label", "legs", "d", "c", "b", "a", "id"]]
    result = pets.clean(batch.assign(a=batch["a"].round().astype(int)), "turned")
    assert list(pd.read_parquet(result.clean).columns) == list(pets.first.columns)
    assert pd.read_parquet(result.clean)["a"].dtype == pets.first["a"].dtype


def test_rows_without_a_label_pass_through_and_a_batch_of_nothing_else_is_no_trouble(pets):
    result = pets.clean(table(10, first=600)[0].assign(label=pd.Series([None] * 10, dtype="str")), "blank")
    assert (result.rows, result.unlabelled, result.kept) == (10, 10, 10)
