"""The commands for the store itself: check it, forget old scores, carry it to plain files and back."""

import json
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from culpa.flows.options import Json
from culpa.flows.review import HERE, Store, switch

PROBLEMS = 1  # the exit code where something does not hold


def check(*, store: Store = HERE, json_output: Json = False) -> int:
    """Check that the store and the files published from it are whole; exit code 1 names each problem and its cure."""
    from culpa.tasks.upkeep.inspect import inspect

    found = inspect(store)
    if json_output:
        print(json.dumps(found.as_record(), indent=2))
    else:
        print("\n".join(one.line for one in found.problems) or _fine(found.counts, found.schema_version))
    return PROBLEMS if found.problems else 0


def _fine(counts: dict[str, int], version: int) -> str:
    held = ", ".join(f"{count:,} {what}" for what, count in counts.items())
    return f"all is well: version {version}; {held}"


def prune(
    *,
    keep_days: Annotated[float, Parameter(help="forget what was flagged more days ago than this")],
    dry_run: Annotated[bool, switch("say what would be forgotten, and forget nothing")] = False,
    store: Store = HERE,
    json_output: Json = False,
) -> None:
    """Forget the scores of old runs that are no part of a data set's present; decisions and lineage stay."""
    from culpa.tasks.upkeep.prune import prune as forget

    pruned = forget(store, keep_days, dry_run=dry_run)
    if json_output:
        print(json.dumps({**vars(pruned), "dry_run": dry_run}, indent=2))
        return
    lines = ", ".join(f"{count:,} {table}" for table, count in pruned.lines.items())
    verb = "would be forgotten" if dry_run else "forgotten"
    print(f"{verb}: {lines or 'nothing'} of {len(pruned.runs)} runs{_named(pruned.runs)}")
    if pruned.models:
        print(f"  and {pruned.models} kept models of full runs that others have replaced")
    if pruned.runs and not dry_run:
        gone = (pruned.bytes_before - pruned.bytes_after) / 1e6
        print(f"  the file is {gone:,.1f} MB smaller, {pruned.bytes_free / 1e6:,.1f} MB in it are free for later runs")


def _named(runs: tuple[str, ...]) -> str:
    return f" ({', '.join(runs[:5])}{', ...' if len(runs) > 5 else ''})" if runs else ""


def export(folder: Path, /, *, store: Store = HERE, json_output: Json = False) -> None:
    """Write every table of the store as Parquet into the new FOLDER, with a manifest.

    Parameters
    ----------
    folder
        where to; it must not be there yet
    """
    from culpa.tasks.upkeep.export import export_store

    done = export_store(store, folder)
    _say(f"exported to {folder}", done.tables, done.bytes, json_output)


def restore(folder: Path, /, *, store: Store = HERE, json_output: Json = False) -> None:
    """Make a new store from what `culpa store export` wrote into FOLDER; a store that is there is never overwritten.

    Parameters
    ----------
    folder
        the exported folder
    """
    from culpa.tasks.upkeep.export import restore_store

    done = restore_store(folder, store)
    _say(f"restored to {store}", done.tables, done.bytes, json_output)


def _say(what: str, tables: dict[str, int], size: int, json_output: bool) -> None:
    if json_output:
        print(json.dumps({"what": what, "tables": tables, "bytes": size}, indent=2))
        return
    print(f"{what}: {sum(tables.values()):,} lines in {len(tables)} tables, {size / 1e6:,.1f} MB")
