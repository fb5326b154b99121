"""Every command, statement and example of the README runs, in the README's order."""

import re
import shlex
from pathlib import Path

import duckdb
import pytest

from culpa.flows.command import answer
from culpa.tasks.runs import list_runs, query
from tests.flows.blobs import blobs

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
STORE = Path("culpa.duckdb")


def blocks(language: str) -> list[str]:
    """The fenced blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.DOTALL | re.MULTILINE)


def filled(text: str) -> str:
    """RUN, EARLIER, ROW and NEW stand for something of the reader's own: here, for what the store holds."""
    if STORE.exists():
        runs = list_runs(STORE)
        run, earlier = runs[0]["run_id"], runs[-1]["run_id"]
        row = query(STORE, "select min(row_id) as row from flagged").to_pylist()[0]["row"]  # None: nothing is flagged
        text = re.sub(r"\bRUN\b", run, text)
        text = re.sub(r"\bEARLIER\b", earlier, text)
        text = re.sub(r"\bROW\b", lambda _: row, text)
    return re.sub(r"\bNEW\b", "ant", text)


def sparing(words: list[str]) -> list[str]:
    """What lets a command for a whole table end sooner: one proxy, no proof where it does not speak of any."""
    if words[0] not in ("clean", "flag", "watch"):
        return []
    proxy = [] if "--proxy" in words else ["--proxy", "linear"]
    gate = [] if {"--gate", "--judge", "--reference"} & set(words) else ["--gate", "off"]
    return [*proxy, *gate, "--seeds", "2", "--no-calibrate", "--no-faithfulness"]


FLAG = ["flag", "train.parquet", "--label", "label", "--key", "id", "--plain", *sparing(["flag"])]


@pytest.fixture
def at_work(folder: Path) -> Path:
    """A folder with the files that the README speaks of."""
    table = blobs()[0].rename(columns={"kind": "label"})
    table.to_parquet("train.parquet", index=False)
    trusted = blobs(rows=60, wrong=0, seed=1)[0].rename(columns={"kind": "label"})
    trusted.assign(id="trusted_" + trusted["id"]).to_parquet("trusted.parquet", index=False)
    trusted.head(30).assign(id=lambda t: "night_" + t["id"]).to_parquet("night.parquet", index=False)
    later = blobs(rows=60, wrong=6, seed=2)[0].rename(columns={"kind": "label"})
    later.assign(id="later_" + later["id"]).to_parquet("new.parquet", index=False)
    Path("incoming").mkdir()
    later.assign(id="monday_" + later["id"]).to_parquet("incoming/monday.parquet", index=False)
    Path("models.py").write_text(next(block for block in blocks("python") if block.startswith("# models.py")))
    Path("decisions.csv").write_text("row_id,decision\nr000,keep\n")
    return folder


def test_every_command_runs(at_work: Path) -> None:
    commands = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("culpa ")]
    assert len(commands) >= 8
    for command in commands:
        words = shlex.split(filled(command))[1:]
        plain = ["--plain"] if words[0] in ("clean", "flag", "publish", "watch") and "--plain" not in words else []
        assert answer([*words, *plain, *sparing(words)]) == 0, command


def test_every_make_target_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    named = set(re.findall(r"\bmake ([a-z]+)(?= +#|`)", README))
    assert {"demo", "test"} <= named <= targets


def test_every_statement_runs(at_work: Path) -> None:
    assert answer(FLAG) == 0
    statements = [
        filled(statement) for block in blocks("sql") for statement in block.split(";") if statement.strip(" -\n")
    ]
    assert len(statements) >= 6
    with duckdb.connect(STORE) as connection:
        for statement in statements:
            connection.execute(statement)
        assert connection.sql("select count(*) from current_decisions where state = 'valid'").fetchall() == [(1,)]


def test_every_python_example_runs(at_work: Path, prefect_server: None) -> None:
    examples = blocks("python")
    assert len(examples) == 3
    for example in examples:
        exec(compile(example, "README.md", "exec"), {"__name__": "readme"})


@pytest.mark.parametrize("opening", ["0 3 * * *", "BashOperator"])
def test_the_schedulers_run_a_command_that_is_shown_above(at_work: Path, opening: str) -> None:
    line = next(line for line in README.splitlines() if line.startswith(opening))
    command = re.search(r"culpa clean [^|\"]+", line)
    assert command
    words = shlex.split(command[0])[1:]
    assert answer([*words, *sparing(words)]) == 0


def test_every_table_and_view_that_is_named_exists(at_work: Path) -> None:
    assert answer(FLAG) == 0
    sentence = README[README.index("Tables of the store:") : README.index("## Limits")]
    with duckdb.connect(STORE, read_only=True) as connection:
        for name in re.findall(r"`(\w+)`", sentence):
            connection.execute(f"select * from {name} limit 1")
