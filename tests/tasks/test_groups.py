"""Groups of rows by a column: whose influence is worst, by a sum and by really leaving them out."""

from pathlib import Path

import pandas as pd
import pytest

from culpa.flows.plain import flag
from culpa.tasks.errors import BadInput
from culpa.tasks.groups import groups_of
from tests.flows.blobs import blobs

STORE = Path("culpa.duckdb")


@pytest.fixture
def sources(folder: Path) -> pd.DataFrame:
    """Rows of three sources; the labels of one are mostly wrong."""
    table, _ = blobs(rows=150, wrong=0)
    table["source"] = ["abc"[place // 50] for place in range(len(table))]
    kinds = sorted(table["kind"].unique())
    bad = (table["source"] == "c") & (table.index % 2 == 0)
    table.loc[bad, "kind"] = [kinds[(kinds.index(kind) + 1) % len(kinds)] for kind in table.loc[bad, "kind"]]
    table.to_parquet("train.parquet", index=False)
    blobs(rows=60, wrong=0, seed=1)[0].assign(id=lambda t: "t" + t["id"]).to_parquet("trusted.parquet", index=False)
    return table


def test_a_source_of_wrong_labels_comes_first_and_leaving_it_out_helps(sources: pd.DataFrame) -> None:
    chosen = {"label": "kind", "key": "id", "proxy": "linear", "ignore": ("source",)}
    flag("train.parquet", reference="trusted.parquet", **chosen)
    found = groups_of(STORE, "source", retrain=True)
    assert [one["rows"] for one in found] == [50, 50, 50]
    assert found[0]["group"] == "c"
    assert found[0]["influence"] < 0 > found[0]["left_out"]
    assert all(one["left_out"] > found[0]["left_out"] for one in found[1:])
    assert found[0]["flagged"] > 15


def test_what_cannot_be_grouped_or_judged_is_refused(sources: pd.DataFrame) -> None:
    with pytest.raises(BadInput, match="no store at"):
        groups_of(STORE, "source")
    flag("train.parquet", label="kind", key="id", proxy="linear", ignore=("source",))
    assert len(groups_of(STORE, "source")) == 3
    with pytest.raises(BadInput, match="has no column 'sauce'; did you mean 'source'"):
        groups_of(STORE, "sauce")
    with pytest.raises(BadInput, match="has no trusted rows to judge by"):
        groups_of(STORE, "source", retrain=True)
