"""The commands that carry the review queue to people as a file, and their decisions back."""

import getpass
import json
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from culpa.flows.options import Json
from culpa.flows.review import HERE, Store

__all__ = ["export_queue", "import_decisions"]

Dataset = Annotated[str | None, Parameter(help="the data set; default: the one that was flagged last")]


def export_queue(
    file: Path,
    /,
    *,
    limit: Annotated[int | None, Parameter(help="at most so many rows", validator=Number(gte=1))] = None,
    all_flagged: Annotated[bool, Parameter(name="--all", help="all flagged rows, decided or not", negative="")] = False,
    store: Store = HERE,
    dataset: Dataset = None,
    json_output: Json = False,
) -> None:
    """Write the review queue, most valuable first, into FILE for people to fill in: .xlsx, .csv or .parquet.

    Parameters
    ----------
    file
        the new file; who has it writes keep, drop, relabel or defer into its column decision
    """
    from culpa.tasks.reviews.review_export import export_review

    done = export_review(store, file, dataset=dataset, limit=limit, all_flagged=all_flagged)
    if json_output:
        print(json.dumps({"path": str(done.path), "dataset": done.dataset, "rows": done.rows}, indent=2))
        return
    where = "" if store == HERE else f" --store {store}"
    print(
        f"{done.rows:,} rows of {done.dataset} lie in {done.path}: fill in decision, and new_label where it is relabel"
    )
    print(f"  take it in:   culpa review import {done.path}{where}")


def import_decisions(
    file: Path,
    /,
    *,
    by: Annotated[
        str | None, Parameter(help="who decided, where reviewed_by is empty; default: your login name")
    ] = None,
    store: Store = HERE,
    dataset: Annotated[str | None, Parameter(help="take in decisions on this data set, and refuse others")] = None,
    json_output: Json = False,
) -> None:
    """Take in the decisions of a FILE that `culpa review export` wrote: all or, if one cannot be, none.

    Parameters
    ----------
    file
        the filled-in file; lines without a decision are left out, and it may come twice
    """
    from culpa.tasks.reviews.review_import import import_review

    done = import_review(store, file, by=by or getpass.getuser(), dataset=dataset)
    if json_output:
        print(json.dumps(vars(done), indent=2))
        return
    counts = ", ".join(f"{decision} {count:,}" for decision, count in done.by_decision.items()) or "nothing new"
    print(f"noted: {counts}; {done.repeated:,} were there already, {len(done.skipped):,} left out")
    for said in (*done.skipped, *done.stale):
        print(f"culpa: {said}", file=sys.stderr)
