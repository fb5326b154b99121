"""The commands that tell of runs: write a run's page again, and set two runs side by side."""

import json
from pathlib import Path

from culpa.flows.options import Json
from culpa.flows.review import HERE, Store
from culpa.flows.show import show


def report(run: str, /, *, store: Store = HERE, json_output: Json = False) -> None:
    """Write the page of one run, with the decisions made since, and print its path.

    Parameters
    ----------
    run
        the run's id, or the beginning of it
    """
    from culpa.tasks.report import write_report

    path = write_report(Path(store), run)
    print(json.dumps({"report": str(path)}, indent=2) if json_output else path)


def compare(one: str, other: str, /, *, store: Store = HERE, json_output: Json = False) -> None:
    """Two runs side by side: what they tagged, dropped and proved, what they were asked for, which rows changed.

    Parameters
    ----------
    one
        a run's id, or the beginning of it
    other
        another run's
    """
    from culpa.tasks.report import compare_runs

    show(compare_runs(Path(store), one, other), ["measure", "one", "other"], as_json=json_output)
