"""The story without an orchestrator: the same calls as the flows, no server is started and Prefect is not imported.

from culpa.flows.plain import clean
result = clean("train.parquet", label="label")
"""

from pathlib import Path
from typing import Any

from culpa.flows.result import Result
from culpa.flows.story import Steps, clean_table, earlier_run, flag_table, publish_run
from culpa.flows.watching import Watch, Watched, read_watch, watch_folder
from culpa.tasks.arrivals import Arrival
from culpa.tasks.errors import BadInput
from culpa.tasks.ingest import ingest
from culpa.tasks.locations import Location
from culpa.tasks.proving.check import check
from culpa.tasks.proving.gate import gate
from culpa.tasks.publishing.publish import publish as publish_step
from culpa.tasks.report import write_report
from culpa.tasks.score import score
from culpa.tasks.settings import Source, read_settings
from culpa.tasks.tag import tag
from culpa.tasks.train import train

STEPS = Steps(ingest, train, score, check, tag, gate, publish_step, write_report)


def flag(source: Source, **options: Any) -> Result:
    """Score and tag every row; nothing is dropped. The options are the fields of Settings."""
    return flag_table(read_settings(source, **options), STEPS)


def clean(source: Source, **options: Any) -> Result:
    """Flag, then publish: write the cleaned table. The options are the fields of Settings."""
    return clean_table(read_settings(source, **options), STEPS)


def watch(folder: str | Path, **options: Any) -> Watched:
    """One pass over a folder: clean its settled new files, each once. Options: settle, out_folder, and Settings'."""
    found = read_watch(folder, **options)
    if found.only_notice:
        raise BadInput("only_notice tells of files by an event of Prefect's, and a plain run sends none: leave one out")
    return watch_folder(found, lambda settings: clean_table(settings, STEPS), _tell_nobody)


def _tell_nobody(watch: Watch, arrival: Arrival) -> None:
    """Whoever runs without an orchestrator reads the result."""


def publish(run: str, *, store: Path = Path("culpa.duckdb"), out: Location | None = None, **guards: Any) -> Result:
    """Write the cleaned table of a run that was flagged before; the guards are gate, max_drop, max_drop_per_class."""
    return publish_run(earlier_run(store, run), STEPS, out, **guards)
