"""Every snippet of flows/README.md runs; those of other schedulers where `make schedulers` has installed them."""

import os
import re
import subprocess
import sys
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from culpa.flows.command import answer
from culpa.flows.notify import Waiting
from culpa.flows.watching import read_watch
from culpa.tasks.runs import query
from tests.flows.blobs import blobs
from tests.flows.test_watch import an_arrival

ROOT = Path(__file__).parents[2]
README = (ROOT / "flows" / "README.md").read_text()
BIN = Path(sys.executable).parent
SCHEDULERS = ROOT / ".venv-schedulers" / "bin"  # dagster and dbt-duckdb
AIRFLOW = ROOT / ".venv-airflow" / "bin"


def blocks(language: str) -> list[str]:
    """The fenced blocks of one language; of none, where it is empty."""
    found = re.findall(r"^```([^\n]*)\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)
    return [text for name, text in found if name == language]


def sparing(text: str) -> str:
    """A snippet whose commands end sooner: one proxy, no proof, and no checks of the run by itself."""
    quick = "--proxy linear --gate off --no-calibrate --no-faithfulness"
    return re.sub(r"\bculpa (clean|watch) ", rf"culpa \1 {quick} ", text)


def write_snippets(folder: Path, *names: str) -> None:
    """The blocks whose first line names a file, as these files."""
    found = {
        block.split("\n", 1)[0].lstrip("#- ").strip(): block
        for language in ("python", "yaml", "sql+jinja")
        for block in blocks(language)
    }
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(found[name])


@pytest.fixture
def data(folder: Path) -> Path:
    """A folder with a small table that is called as in the snippets."""
    blobs(rows=120, wrong=8)[0].rename(columns={"kind": "label"}).to_parquet("train.parquet", index=False)
    return folder


def run(*words: str | Path, **more: str) -> str:
    """Run a program with the command `culpa` on its path; gives what it prints."""
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1", **more}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def assert_whole() -> None:
    found = pd.concat([pd.read_parquet("cleaned.parquet"), pd.read_parquet("cleaned.quarantine.parquet")])
    assert sorted(found["id"]) == sorted(pd.read_parquet("train.parquet")["id"])


def test_the_commands_run(data: Path) -> None:
    (data / "incoming").mkdir()
    (data / "incoming" / "monday.parquet").write_bytes((data / "train.parquet").read_bytes())
    commands = [line for block in blocks("sh") for line in block.splitlines()]
    assert [command.split()[1] for command in commands] == ["watch", "flag"]
    for command in commands:
        settle = ["--settle", "0.05"] if " watch " in command else []
        assert answer([*sparing(command).split()[1:], *settle]) == 0, command
    assert (data / "incoming.cleaned" / "monday.cleaned.parquet").exists()
    for statement in blocks("sql"):
        assert query(data / "culpa.duckdb", statement).num_rows == 1


def test_the_tables_name_every_deployment_and_all_that_an_event_tells(folder: Path) -> None:
    deployments = re.findall(r"^  - name: (.+)$", (ROOT / "prefect.yaml").read_text(), flags=re.MULTILINE)
    assert re.findall(r"^\| `([a-z-]+)` \| ", README, flags=re.MULTILINE)[: len(deployments)] == deployments
    told = dict(re.findall(r"^\| `(culpa\.[a-z.]+)` \| [^|]+ \| ([^|]+) \|$", README, flags=re.MULTILINE))
    arrived = read_watch(folder / "incoming", label="y").payload_of(an_arrival(folder))
    assert set(told["culpa.file.arrived"].split(", ")) == set(arrived)
    assert set(told["culpa.flagged"].split(", ")) == set(Waiting("zoo", "ab", 1, 1, "zoo.duckdb").as_message())


@pytest.mark.slow
def test_the_lines_for_cron_run(data: Path) -> None:
    (data / "incoming").mkdir()
    lines = [line for block in blocks("") for line in block.splitlines() if re.match(r"[0-9*]+ [0-9*]+ \* ", line)]
    assert len(lines) == 2
    for line in lines:
        run("sh", "-c", sparing(line.split("  ", 1)[1]).replace("/data", str(data)))
    assert_whole()
    assert "0 new" in (data / "watch.log").read_text()


@pytest.mark.slow
def test_the_rule_for_make_runs_once(data: Path) -> None:
    (data / "Makefile").write_text(sparing(blocks("make")[0]))
    assert "culpa clean" in run("make")
    assert "up to date" in run("make")
    assert_whole()


def test_the_command_that_serves_is_understood(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from culpa.flows import serve

    served: list[str] = []
    monkeypatch.setattr(serve, "check_server", lambda: None)
    monkeypatch.setattr(serve, "run_until_stopped", lambda given, **how: served.extend(one.name for one in given))
    line = next(line for block in blocks("") for line in block.splitlines() if line.startswith("culpa serve"))
    words = [word.strip('"') for word in re.findall(r'"[^"]*"|\S+', line)]
    assert answer(words[1:]) == 0
    assert served == ["publish", "clean", "watch", "on-arrival"]


@pytest.mark.slow
def test_the_flow_is_a_sub_flow_in_a_project_with_folders_of_the_same_names(data: Path) -> None:
    """The user's own flows/ and tasks/ are found, and culpa's too, in a process that starts in the project."""
    write_snippets(data, "flows/nightly.py")
    for name in ("flows/__init__.py", "tasks/__init__.py"):
        (data / name).parent.mkdir(exist_ok=True)
        (data / name).write_text("")
    (data / "tasks" / "load.py").write_text(
        'from prefect import task\n\n\n@task\ndef load():\n    return "train.parquet"\n'
    )
    said = run(sys.executable, "-m", "flows.nightly")
    assert re.search(r"^dropped \d+$", said, flags=re.MULTILINE)
    assert_whole()


@pytest.mark.slow
@pytest.mark.skipif(not (SCHEDULERS / "dagster").exists(), reason="make schedulers installs dagster")
def test_the_asset_of_dagster_is_made_and_its_check_passes(data: Path) -> None:
    write_snippets(data, "definitions.py")
    (data / "home").mkdir()
    own = {"DAGSTER_HOME": str(data / "home"), "DAGSTER_DISABLE_TELEMETRY": "1"}
    said = run(SCHEDULERS / "dagster", "asset", "materialize", "--select", "*", "-f", "definitions.py", **own)
    assert "Asset check 'no_row_is_lost' on 'cleaned' passed" in said
    assert_whole()


@pytest.mark.slow
@pytest.mark.skipif(not (SCHEDULERS / "dbt").exists(), reason="make schedulers installs dbt-duckdb")
def test_the_models_of_dbt_read_the_store(data: Path) -> None:
    write_snippets(data, "profiles.yml", "dbt_project.yml", "models/culpa.yml")
    write_snippets(data, "models/accepted.sql", "models/thrown_out.sql")
    words = ["clean", "train.parquet", "--label", "label", "--key", "id", "--out", "cleaned.parquet", "--gate", "off"]
    assert answer([*words, "--plain"]) == 0
    said = run(SCHEDULERS / "dbt", "build", "--profiles-dir", ".", DBT_SEND_ANONYMOUS_USAGE_STATS="false")
    assert "PASS=4 WARN=0 ERROR=0" in said
    with duckdb.connect("warehouse.duckdb", read_only=True) as warehouse:
        accepted = warehouse.execute("select id from accepted").fetchall()
        thrown_out = warehouse.execute("select sum(rows) from thrown_out").fetchall()[0][0]
    assert sorted(accepted) == sorted((row,) for row in pd.read_parquet("cleaned.parquet")["id"])
    assert thrown_out == len(pd.read_parquet("cleaned.quarantine.parquet")) > 0


@pytest.mark.slow
@pytest.mark.skipif(not (AIRFLOW / "airflow").exists(), reason="make schedulers installs Airflow")
def test_the_tasks_of_airflow_run(data: Path) -> None:
    write_snippets(data, "dags/clean_train.py")
    dag = (data / "dags" / "clean_train.py").read_text()
    (data / "dags" / "clean_train.py").write_text(dag.replace("/opt/culpa/bin", str(BIN)).replace("/data", str(data)))
    own = {
        "AIRFLOW_HOME": str(data / "home"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(data / "dags"),
    }
    run(AIRFLOW / "airflow", "db", "migrate", **own)
    said = run(AIRFLOW / "airflow", "dags", "test", "clean_train", **own)
    assert re.search(r"Marking run .* successful", said)
    assert_whole()
