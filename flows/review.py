"""The commands for people: decide about rows, ask why a row is flagged, list the runs, ask in SQL."""

import getpass
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from culpa.flows.options import Json
from culpa.flows.show import show
from culpa.tasks.errors import BadInput

if TYPE_CHECKING:
    from culpa.tasks.reviews.decide import Decided

Store = Annotated[Path, Parameter(help="the DuckDB file with every score, tag and decision")]
Dataset = Annotated[str | None, Parameter(help="the data set, where a row's name lies in several")]
HERE = Path("culpa.duckdb")
FILES = (".csv", ".csv.gz", ".parquet", ".xlsx")  # with decisions


def switch(help_text: str) -> Parameter:
    """An option that is off unless it is named."""
    return Parameter(help=help_text, negative="", show_default=False)


def decide(
    *rows: str,
    keep: Annotated[bool, switch("keep the rows, whatever the tags say")] = False,
    drop: Annotated[bool, switch("drop the rows")] = False,
    relabel: Annotated[str | None, Parameter(help="keep the rows under this label")] = None,
    defer: Annotated[bool, switch("decide later; until then the tags count")] = False,
    by: Annotated[str | None, Parameter(help="who decides; default: your login name")] = None,
    note: Annotated[str | None, Parameter(help="why")] = None,
    store: Store = HERE,
    dataset: Dataset = None,
    json_output: Json = False,
) -> None:
    """Note a person's decision on ROWS; it beats every tag, and holds until the row's content changes.

    Parameters
    ----------
    rows
        names of rows; or one file (.csv, .parquet, .xlsx) with the columns row_id, decision and, where needed,
        new_label, reviewed_by, note
    """
    chosen = [name for name, given in (("keep", keep), ("drop", drop), ("defer", defer)) if given]
    chosen += ["relabel"] * (relabel is not None)
    who = by or getpass.getuser()
    if not chosen and len(rows) == 1 and rows[0].lower().endswith(FILES):
        from culpa.tasks.reviews.decide import decide_from_csv

        return _say_decided(decide_from_csv(store, Path(rows[0]), by=who, dataset=dataset), json_output)
    if len(chosen) != 1:
        got = " and ".join(f"--{name}" for name in chosen) or "none"
        raise BadInput(
            f"needed one of --keep, --drop, --relabel NEW, --defer, got {got}; or one decisions.csv and none"
        )
    from culpa.tasks.reviews.decide import decide as note_decision

    decided = note_decision(store, rows, chosen[0], relabel, by=who, note=note, dataset=dataset)
    return _say_decided(decided, json_output)


def _say_decided(decided: "Decided", json_output: bool) -> None:
    if json_output:
        print(json.dumps(vars(decided), indent=2))
        return
    counts = ", ".join(f"{decision} {count:,}" for decision, count in decided.by_decision.items())
    print(f"noted: {counts}; the next `culpa publish` or `culpa clean` applies it")


def explain(row: str, /, *, store: Store = HERE, dataset: Dataset = None, json_output: Json = False) -> None:
    """Why is this row flagged, kept or gone: its scores, evidence and decisions, run by run.

    Parameters
    ----------
    row
        the name of a row: its key, or the row_id that `flagged` shows
    """
    from culpa.tasks.explain import explain as ask

    explanation = ask(store, row, dataset)
    print(json.dumps(explanation.detail, default=str, indent=2) if json_output else explanation.text)


def runs(*, store: Store = HERE, json_output: Json = False) -> None:
    """List the runs in the store, the newest first."""
    from culpa.tasks.runs import list_runs

    records = list_runs(store)
    columns = list(records[0]) if records else ["run_id", "dataset", "state"]
    show(records, columns, as_json=json_output)


def sql(query: str, /, *, store: Store = HERE, json_output: Json = False) -> None:
    """Ask the store in SQL, for reading only: `flagged`, `review_queue`, `issue_summary`, `row_history`, ...

    Parameters
    ----------
    query
        one SELECT, such as "select * from flagged limit 20"
    """
    from culpa.tasks.runs import query as ask

    table = ask(store, query)
    show(table.to_pylist(), table.column_names, as_json=json_output)


def methods(*, json_output: Json = False) -> None:
    """List the methods that score the rows of a network: what --method takes."""
    from culpa.influence.attribution import METHODS

    records = [{"method": one.name, "what": one.title, "source": one.source} for one in METHODS.values()]
    show(records, ["method", "what", "source"], as_json=json_output)


def groups(
    *,
    by: Annotated[str, Parameter(help="the column that says which group a row belongs to")],
    run: Annotated[str | None, Parameter(help="the run; default: the latest that is flagged")] = None,
    retrain: Annotated[bool, switch("train again without each of the strongest groups")] = False,
    store: Store = HERE,
    json_output: Json = False,
) -> None:
    """Which source is to blame? The rows' influence by the groups of a column, the most harmful group first."""
    from culpa.flows.progress import shown_on_terminal, tell
    from culpa.tasks.groups import groups_of

    with shown_on_terminal():
        records = groups_of(store, by, run, retrain=retrain, progress=tell)
    show(records, list(records[0]), as_json=json_output)
