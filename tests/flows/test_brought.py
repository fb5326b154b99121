"""Proxies beyond the built-in three, through the whole command: a reader of texts, a user's network and estimator."""

import json
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from culpa.flows.command import answer
from culpa.flows.plain import clean, flag
from culpa.tasks.errors import BadInput
from tests.flows.blobs import write_blobs

TOPICS = {
    "sport": ["ball", "goal", "team", "match", "player", "score", "league", "coach", "win", "cup"],
    "food": ["bread", "soup", "cook", "taste", "salt", "oven", "dinner", "spoon", "rice", "cheese"],
}
FILLERS = ["the", "a", "some", "every", "one", "this", "that", "more"]

MODULE = """
from sklearn.naive_bayes import GaussianNB
from torch import nn

from culpa.influence.network import Recipe


def network(task):
    def make():
        return nn.Sequential(nn.Linear(task.features, 16), nn.Tanh(), nn.Linear(16, task.classes))

    return Recipe(make, rate=0.5, epochs=15, batch_size=30)


def estimator():
    return GaussianNB()


def odd():
    return 7
"""


def texts(rows: int = 120, wrong: int = 8, seed: int = 0) -> tuple[pd.DataFrame, set[str]]:
    """Sentences on two topics, some under the other label; and the names of these."""
    chance = np.random.default_rng(seed)
    topic = np.array(list(TOPICS))[np.arange(rows) % 2]
    said = [" ".join([*chance.choice(TOPICS[one], 4), *chance.choice(FILLERS, 3)]) for one in topic]
    given = topic.copy()
    flipped = chance.choice(rows, wrong, replace=False)
    given[flipped] = np.where(topic[flipped] == "sport", "food", "sport")
    names = [f"t{number:03d}" for number in range(rows)]
    return pd.DataFrame({"id": names, "said": said, "topic": given}), {names[place] for place in flipped}


@pytest.fixture
def sentences(folder: Path) -> set[str]:
    table, wrong = texts()
    table.to_parquet("train.parquet", index=False)
    texts(40, 0, seed=1)[0].assign(id=lambda t: "r" + t["id"]).to_parquet("trusted.parquet", index=False)
    return wrong


@pytest.fixture
def clouds(folder: Path) -> set[str]:
    Path("models.py").write_text(MODULE)
    write_blobs(Path("trusted.parquet"), 60, 0, seed=1)
    return write_blobs(Path("train.parquet"), 120, 8)


def ask(sql: str) -> list[tuple]:
    with duckdb.connect("culpa.duckdb", read_only=True) as connection:
        return connection.execute(sql).fetchall()


def test_a_reader_finds_wrong_labels_of_texts_and_the_words_to_blame(sentences: set[str]) -> None:
    result = clean("train.parquet", label="topic", key="id", text=("said",), proxy="text",
                   reference="trusted.parquet", rounds=1, out="cleaned.parquet")  # fmt: skip
    worst = [row for (row,) in ask(f"select row_id from scores order by suspicion desc limit {len(sentences)}")]
    assert len(sentences & set(worst)) >= 6
    assert result.dropped >= 5
    words = ask("select row_id, word, value from evidence where kind = 'blamed_word'")
    assert words
    said = dict(pd.read_parquet("train.parquet")[["id", "said"]].to_numpy())
    assert all(word in [*said[row].split(), "[start]", "[end]"] and value < 0 for row, word, value in words)
    assert ask("select count(*) from learning where proxy = 'text'") == [(120,)]
    assert answer(["explain", words[0][0]]) == 0


def test_other_reference_rows_take_the_trained_network_from_the_cache(sentences: set[str]) -> None:
    chosen = {"label": "topic", "key": "id", "text": ("said",), "proxy": "text", "rounds": 0}
    flag("train.parquet", **chosen)
    kept = {file: file.stat().st_mtime_ns for file in Path("culpa.duckdb.cache").glob("training-*")}
    assert kept
    flag("train.parquet", max_drop=0.3, false_discovery_rate=0.2, **chosen)
    assert set(Path("culpa.duckdb.cache").glob("training-*")) == set(kept)
    assert ask("select count(distinct run_id) from scores") == [(2,)]
    assert ask("select count(distinct suspicion) from scores where row_id = 't000'") == [(1,)]


@pytest.mark.parametrize("factory", ["network", "estimator"])
def test_a_users_own_model_judges(clouds: set[str], factory: str) -> None:
    result = clean("train.parquet", label="kind", key="id", proxy=f"models:{factory}", rounds=1,
                   reference="trusted.parquet", out="cleaned.parquet")  # fmt: skip
    worst = [row for (row,) in ask(f"select row_id from scores order by suspicion desc limit {len(clouds)}")]
    assert len(clouds & set(worst)) >= 6
    dropped = {row for (row,) in ask("select row_id from outcomes where outcome = 'dropped'")}
    assert len(dropped & clouds) == result.dropped >= 3
    assert ask("select distinct proxy from proxy_scores") == [(f"models:{factory}",)]


def test_a_method_of_the_table_and_layers_are_chosen_and_the_report_says_how_well_they_rank(clouds: set[str]) -> None:
    flag("train.parquet", label="kind", key="id", proxy="models:network", method="kfac", layers=("2",), rounds=0)
    report = json.loads(ask("select report from runs")[0][0])["proxies"]["models:network"]
    assert report["method"] == "kfac"
    assert report["layers"] == ["2"]
    assert 0 < report["agreement_with_all_layers"]["on_mean"] <= 1


def test_changed_code_is_another_run(clouds: set[str]) -> None:
    chosen = {"label": "kind", "key": "id", "proxy": "models:estimator", "rounds": 0}
    first = flag("train.parquet", **chosen)
    assert flag("train.parquet", **chosen).unchanged
    Path("models.py").write_text(MODULE + "\n# another version\n")
    assert flag("train.parquet", **chosen).run_id != first.run_id


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--proxy", "nowhere:made"], "the module 'nowhere' cannot be imported"),
        (["--proxy", "models:netwrok"], "models has no 'netwrok': did you mean network"),
        (["--proxy", "models:odd"], "the factory returned a int"),
        (["--proxy", "models:network", "--method", "magic"], "no method is called 'magic'"),
        (["--proxy", "models:network", "--layers", "9"], "no layer with parameters is called 9"),
        (["--proxy", "models:estimator", "--method", "ekfac"], "makes an estimator, which is judged by training it"),
        (["--proxy", "linear", "--method", "ekfac"], "--method and --layers are for networks"),
        (["--proxy", "text"], "no column is text"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_cure(
    clouds: set[str], capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert answer(["flag", "train.parquet", "--label", "kind", "--key", "id", "--plain", *words]) == 2
    assert message in capsys.readouterr().err


def test_influence_is_measured_on_every_set_of_reference_rows(clouds: set[str]) -> None:
    table = pd.read_parquet("trusted.parquet")
    table[table["kind"] == "ant"].to_parquet("ants.parquet", index=False)
    sets = ["--reference", "good=trusted.parquet", "--reference", "ants=ants.parquet"]
    words = ["flag", "train.parquet", "--label", "kind", "--key", "id", "--plain", "--proxy", "linear", *sets]
    assert answer(words) == 0
    assert ask("select reference, count(*) from reference_influences group by 1") == [("ants", 120)]
    assert ask("select reference, count(*) from reference_rows group by 1 order by 1") == [("ants", 20), ("good", 60)]
    helps = ask("""select avg(i.influence) from reference_influences i join scores s using (run_id, row_id)
                   where s.given_label = 'ant' and s.suspicion < 0""")  # fmt: skip
    assert helps[0][0] > 0
    with pytest.raises(BadInput, match="two sets of reference rows are called 'trusted'"):
        flag("train.parquet", label="kind", reference=("trusted.parquet", "ants.parquet"))


@pytest.mark.parametrize("proxy", ["linear", "models:network"])
def test_weights_lie_beside_the_cleaned_rows_in_their_order_and_are_low_where_labels_are_wrong(
    clouds: set[str], proxy: str
) -> None:
    chosen = {"label": "kind", "key": "id", "proxy": proxy, "rounds": 0, "reference": "trusted.parquet"}
    result = clean("train.parquet", weights=True, out="cleaned.parquet", **chosen)
    assert result.weights == Path("cleaned.weights.parquet")
    weights, cleaned = pd.read_parquet(result.weights), pd.read_parquet("cleaned.parquet")
    assert weights["row_id"].tolist() == cleaned["id"].tolist()
    assert weights["weight"].between(0, 1).all()
    assert "weight" not in cleaned
    every = pd.DataFrame(ask("select row_id, weight from scores"), columns=["row", "weight"])
    assert roc_auc_score(~every["row"].isin(clouds), every["weight"]) > 0.9
    assert clean("train.parquet", weights=True, out="cleaned.parquet", **chosen).unchanged
    Path("cleaned.weights.parquet").write_bytes(b"changed")
    assert not clean("train.parquet", weights=True, out="cleaned.parquet", **chosen).unchanged
    assert len(pd.read_parquet(result.weights)) == len(weights)


def test_a_row_that_a_person_kept_or_relabelled_weighs_one(clouds: set[str]) -> None:
    chosen = {"label": "kind", "key": "id", "proxy": "linear", "weights": True, "out": "cleaned.parquet"}
    clean("train.parquet", **chosen)
    kept, relabelled = sorted(clouds)[:2]
    assert answer(["decide", kept, "--keep"]) == answer(["decide", relabelled, "--relabel", "ant"]) == 0
    clean("train.parquet", **chosen)
    weights = pd.read_parquet("cleaned.weights.parquet").set_index("row_id")["weight"]
    assert weights[kept] == weights[relabelled] == 1
