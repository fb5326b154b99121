"""The commands that run the story, clean, flag and publish: as Prefect flows or, with --plain, without Prefect."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from culpa.flows.options import Json, Plain, takes_settings
from culpa.flows.progress import shown_on_terminal, tell
from culpa.flows.result import Result
from culpa.tasks.locations import as_location
from culpa.tasks.settings import Gate, read_settings

REFUSED = 3  # the exit code when the gate held the rule's rows back


@takes_settings
def clean(source: str, *, plain: bool = False, json_output: bool = False, **options: Any) -> int:
    """Flag the rows that are to blame, drop them, and write the cleaned table: `flag`, then `publish`."""
    return _tell_table("clean", source, options, plain, json_output)


@takes_settings
def flag(source: str, *, plain: bool = False, json_output: bool = False, **options: Any) -> int:
    """Score and tag every row; nothing is dropped and no table is written."""
    return _tell_table("flag", source, options, plain, json_output)


def publish(
    run: str,
    /,
    *,
    store: Annotated[Path, Parameter(help="the DuckDB file with every score, tag and decision")] = Path("culpa.duckdb"),
    out: Annotated[str | None, Parameter(help="the cleaned file; default: where the run was published before")] = None,
    partition_by: Annotated[
        tuple[str, ...],
        Parameter(negative="", show_default=False, help="a column whose values divide the folder --out"),
    ] = (),
    max_drop: Annotated[float | None, Parameter(help="refuse if a larger share would go; default: the run's")] = None,
    max_drop_per_class: Annotated[float | None, Parameter(help="the same for every single class")] = None,
    require_review: Annotated[
        bool, Parameter(negative="", show_default=False, help="refuse while rows have to be seen by a person")
    ] = False,
    gate: Annotated[Gate | None, Parameter(help="better, not-worse or off; default: the run's")] = None,
    plain: Plain = False,
    json_output: Json = False,
) -> int:
    """Apply the tags and people's decisions of one RUN, and write the cleaned table.

    Parameters
    ----------
    run
        the run's id, or the beginning of it; `culpa runs` lists them
    """
    chosen: dict[str, Any] = {"store": store, "out": None if out is None else as_location(out), "gate": gate}
    chosen |= {"partition_by": partition_by, "max_drop": max_drop, "max_drop_per_class": max_drop_per_class}
    chosen |= {"require_review": require_review}
    return _report(lambda: _story("publish", plain)(run, **chosen), json_output)


def _tell_table(
    name: Literal["clean", "flag"], source: str, options: dict[str, Any], plain: bool, json_output: bool
) -> int:
    read_settings(source, **options)  # complain before anything is started
    return _report(lambda: _story(name, plain)(source, **options), json_output)


def _story(name: str, plain: bool) -> Callable[..., Result]:
    if plain:
        from culpa.flows import plain as stories
    else:
        from culpa import flows as stories  # type: ignore[no-redef]

        tell("start", 0.0)
    return getattr(stories, name)  # type: ignore[no-any-return]


def _report(story: Callable[[], Result], json_output: bool) -> int:
    """Print what the story came to; gives the command's exit code."""
    with shown_on_terminal():
        result = story()
    print(result.as_json() if json_output else "\n".join([*result.as_lines(), *_next_steps(result)]))
    if not json_output:
        for said in (*result.warnings, *result.notes):
            print(f"culpa: {said}", file=sys.stderr)
    return 0 if result.refused is None else REFUSED


def _next_steps(result: Result) -> list[str]:
    store = "" if result.store == Path("culpa.duckdb") else f" --store {result.store}"
    lines = [f'  look further: culpa sql "select * from flagged limit 20"{store}']
    if result.clean is None:
        lines.append(f"  drop them:    culpa publish {result.run_id}{store}")
    return lines
