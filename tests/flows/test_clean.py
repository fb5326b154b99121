"""The whole story: as Prefect flows, as a sub-flow, from a table in memory, and without an orchestrator."""

import json
from pathlib import Path

import pandas as pd
import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

from culpa.flows import clean, flag, plain, publish
from culpa.flows.result import Result
from culpa.tasks.errors import BadInput, Refused
from tests.flows.blobs import blobs, write_blobs

pytestmark = pytest.mark.usefixtures("prefect_server")
CHOICES = {
    "label": "kind", "key": "id", "proxy": "linear", "gate": "off", "calibrate": False, "faithfulness": False,
}  # fmt: skip
GATED = {**CHOICES, "gate": "better", "seeds": 2}


@pytest.fixture
def train(folder: Path) -> Path:
    write_blobs(folder / "train.parquet")
    return folder / "train.parquet"


def bytes_of(result: Result) -> list[bytes]:
    return [path.read_bytes() for path in (result.clean, result.quarantine, result.manifest) if path is not None]


def test_clean_drops_wrong_rows_and_keeps_schema_and_order(train: Path) -> None:
    result = clean(train, label="kind", key="id")
    given, cleaned = pd.read_parquet(train), pd.read_parquet("train.cleaned.parquet")
    wrong = blobs()[1]
    dropped = set(given["id"]) - set(cleaned["id"])
    assert len(dropped) == result.dropped > 0
    assert len(dropped & wrong) / len(dropped) >= 0.9
    pd.testing.assert_frame_equal(cleaned, given[given["id"].isin(cleaned["id"])].reset_index(drop=True))
    quarantine = pd.read_parquet("train.cleaned.quarantine.parquet")
    assert set(quarantine["id"]) == dropped
    assert list(result.seconds) == ["ingest", "train", "score", "check", "tag", "gate", "publish", "report"]


def test_the_flow_and_the_plain_story_write_the_same_bytes(train: Path) -> None:
    tracked = bytes_of(clean(train, **GATED, store="tracked.duckdb"))
    untracked = bytes_of(plain.clean(train, **GATED, store="plain.duckdb"))
    assert tracked[:2] == untracked[:2]


def test_a_second_run_on_unchanged_rows_changes_nothing_and_says_so(train: Path) -> None:
    first = plain.clean(train, **CHOICES)
    store, before = Path("culpa.duckdb").read_bytes(), bytes_of(first)
    second = plain.clean(train, **CHOICES)
    assert (first.unchanged, second.unchanged) == (False, True)
    assert second.run_id == first.run_id
    assert bytes_of(second) == before
    assert Path("culpa.duckdb").read_bytes() == store
    assert list(second.seconds) == ["ingest", "gate", "publish"]


def test_flag_then_publish_is_clean(train: Path) -> None:
    flagged = flag(train, **CHOICES)
    assert flagged.clean is None
    assert not Path("train.cleaned.parquet").exists()
    published = publish(flagged.run_id, out=Path("out.parquet"))
    Path("other").mkdir()
    cleaned = plain.clean(train, **CHOICES, store="other/culpa.duckdb", out="other/out.parquet")
    assert bytes_of(published)[:2] == bytes_of(cleaned)[:2]


def test_clean_is_a_sub_flow_of_a_users_flow(train: Path) -> None:
    @flow
    def nightly(path: Path) -> int:
        return clean(path, **CHOICES).dropped

    assert nightly(train) > 0


def test_a_table_in_memory_gives_the_same_rows_as_its_file(train: Path) -> None:
    table = blobs()[0]
    from_memory = clean(table, **CHOICES, out="memory.parquet", dataset="train")
    from_file = plain.clean(train, **CHOICES, store="file.duckdb")
    assert from_memory.dropped == from_file.dropped > 0
    pd.testing.assert_frame_equal(pd.read_parquet("memory.parquet"), pd.read_parquet("train.cleaned.parquet"))


def test_a_run_leaves_a_table_and_a_summary_in_prefects_interface(train: Path) -> None:
    result = clean(train, **CHOICES, dataset="Artifacts of mine")
    keys = ["culpa-flagged-artifacts-of-mine", "culpa-summary-artifacts-of-mine"]
    with get_client(sync_client=True) as client:
        found = client.read_artifacts(artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=keys)))
    by_key = {artifact.key: str(artifact.data) for artifact in found}
    assert set(by_key) == set(keys)
    assert len(json.loads(by_key[keys[0]])) == min(20, sum(result.tags.values()))
    assert f"dropped {result.dropped}" in by_key[keys[1]]


def test_a_guard_refuses_before_anything_is_written(train: Path) -> None:
    with pytest.raises(Refused, match="max_drop"):
        clean(train, **CHOICES, max_drop=0.001)
    assert not list(Path().glob("train.cleaned*"))
    assert plain.clean(train, **CHOICES, max_drop=0.5).dropped > 0


def test_an_output_that_cannot_be_written_is_refused_before_the_work(train: Path) -> None:
    with pytest.raises(BadInput, match="the folder nowhere does not exist"):
        clean(train, **CHOICES, out="nowhere/out.parquet")
    assert not Path("culpa.duckdb").exists()


def test_nothing_of_the_work_stays_behind(train: Path) -> None:
    plain.clean(train, **CHOICES)
    assert {path.name for path in Path().iterdir()} == {
        "train.parquet", "train.cleaned.parquet", "train.cleaned.quarantine.parquet", "train.cleaned.manifest.json",
        "culpa.duckdb", "culpa.duckdb.reports",
    }  # fmt: skip
