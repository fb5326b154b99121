"""The command: what it prints, and its exit codes (0 done, 1 failed, 2 bad input, 3 refused), with Prefect and not."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from culpa.flows.command import answer
from tests.flows.blobs import write_blobs

SPARING = ["--seeds", "2", "--no-calibrate", "--no-faithfulness"]
QUICK = ["--proxy", "linear", "--gate", "off", *SPARING]
CHOICES = ["--label", "kind", "--key", "id", *QUICK]


@pytest.fixture
def train(folder: Path) -> str:
    write_blobs(folder / "train.parquet")
    return "train.parquet"


def test_cron_gets_a_cleaned_file_and_exit_code_zero(train: str) -> None:
    words = [sys.executable, "-m", "culpa.flows.command", "clean", train, *CHOICES, "--plain", "--json"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    said = json.loads(done.stdout)
    assert said["dropped"] > 0
    assert said["kept"] + said["dropped"] == said["rows"] == 180
    assert Path(said["clean"]).exists()
    assert done.stderr == ""


def test_plain_imports_no_prefect_and_starts_no_server(train: str) -> None:
    code = f"""
import sys
from culpa.flows.command import answer
assert answer(["clean", {train!r}, "--label", "kind", "--plain", *{SPARING!r}]) == 0
assert not {{"prefect", "torch"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("plain", [["--plain"], []])
@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["clean", "train.parquet", "--label", "kin"], 2, "kind"),
        (["clean", "trian.parquet", "--label", "kind"], 2, "train.parquet"),
        (["clean", "train.parquet", "--label", "kind", "--max-drop", "0.001", *QUICK], 3, "max_drop"),
        (["flag", "train.parquet", "--label", "kind", "--store", "train.parquet"], 2, "store"),
        (["publish", "0123", "--store", "none.duckdb"], 2, "none.duckdb"),
    ],
)
def test_what_went_wrong_is_one_line_and_an_exit_code(
    train: str,
    prefect_server: None,
    capsys: pytest.CaptureFixture[str],
    plain: list[str],
    words: list[str],
    code: int,
    message: str,
) -> None:
    assert answer([*words, *plain]) == code
    complaint = [line for line in capsys.readouterr().err.splitlines() if line.startswith("culpa: ")]
    assert len(complaint) == 1
    assert message in complaint[0]


def test_a_failure_that_nobody_foresaw_is_exit_code_one(
    train: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def struck(*_: object, **__: object) -> None:
        raise RuntimeError("lightning")

    monkeypatch.setattr("culpa.tasks.runs.list_runs", struck)
    assert answer(["runs"]) == 1
    assert capsys.readouterr().err.splitlines()[-1] == "culpa: RuntimeError: lightning"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["clena"], 'Did you mean "clean"'),
        (["clean", "a.csv"], "--label"),
        (["clean", "a.csv", "--label", "y", "--seed", "x"], 'unable to convert "x"'),
        (["clean", "a.csv", "--label", "y", "--max-drop", "7"], "max_drop"),
        (["decide", "r1", "--keep", "--drop"], "needed one of --keep, --drop"),
        (["decide", "r1"], "got none"),
    ],
)
def test_a_wrong_word_is_bad_input(capsys: pytest.CaptureFixture[str], words: list[str], message: str) -> None:
    assert answer([*words, "--json"]) == 2
    said = capsys.readouterr()
    assert message in said.err
    assert message in json.loads(said.out)["error"]


def test_a_decision_beats_the_tag_and_is_explained(train: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(["flag", train, *CHOICES, "--plain"]) == 0
    assert answer(["sql", "select row_id from flagged where droppable order by row_id", "--json"]) == 0
    capsys_rows = capsys.readouterr().out
    rows = [one["row_id"] for one in json.loads(capsys_rows[capsys_rows.rindex("[\n") :])]
    assert answer(["decide", rows[0], "--keep", "--by", "ann", "--note", "a true outlier"]) == 0
    Path("decisions.csv").write_text(f"row_id,decision,new_label,reviewed_by,note\n{rows[1]},relabel,ant,bob,seen\n")
    assert answer(["decide", "decisions.csv"]) == 0
    assert answer(["clean", train, *CHOICES, "--plain", "--json"]) == 0
    out = capsys.readouterr().out
    said = json.loads(out[out.index("{") :])
    assert said["relabelled"] == 1
    assert said["dropped"] == len(rows) - 2
    assert answer(["explain", rows[0]]) == 0
    assert "a true outlier" in capsys.readouterr().out


def test_runs_are_listed(train: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(["flag", train, *CHOICES, "--plain"]) == 0
    capsys.readouterr()
    assert answer(["runs"]) == 0
    header, line = capsys.readouterr().out.splitlines()
    assert header.startswith("run_id")
    assert "flagged" in line


def test_sql_only_reads(train: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(["flag", train, *CHOICES, "--plain"]) == 0
    assert answer(["sql", "delete from decisions"]) == 2
    assert "culpa: this only reads" in capsys.readouterr().err
