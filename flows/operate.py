"""The commands that keep going: look into a folder for new files, and serve the flows on schedules and events."""

import sys
import time
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from culpa.flows.options import Json, Plain, takes_options
from culpa.flows.progress import shown_on_terminal
from culpa.tasks.errors import BadInput
from culpa.tasks.settings import read_settings

__all__ = ["serve", "watch"]

OutFolder = Annotated[
    Path | None, Parameter(help="where NAME.cleaned.parquet goes; default: FOLDER.cleaned beside the folder")
]
Settle = Annotated[float, Parameter(help="seconds between two looks at which a file must be the same")]
FAILED, BAD_INPUT = 1, 2


@takes_options("out")
def watch(
    folder: Path,
    /,
    *,
    settle: Settle = 10.0,
    out_folder: OutFolder = None,
    only_notice: Annotated[
        bool, Parameter(negative="", show_default=False, help="tell of new files by an event, and clean none")
    ] = False,
    every: Annotated[float | None, Parameter(help="look again every so many seconds; default: once")] = None,
    plain: Plain = False,
    json_output: Json = False,
    **options: Any,
) -> int:
    """Notice the settled new files of a FOLDER, each once, and clean them: one pass, for a scheduler to repeat.

    Parameters
    ----------
    folder
        the folder to watch, with the folders in it; hidden and temporary names are not looked at
    """
    from culpa.flows.watching import read_watch

    chosen = {"settle": settle, "out_folder": out_folder, "only_notice": only_notice, **options}
    read_watch(folder, **chosen)  # complain before anything is started
    while True:
        started = time.monotonic()
        code = _pass(folder, chosen, plain, json_output)
        if every is None:
            return code
        time.sleep(max(0.0, every - (time.monotonic() - started)))


def _pass(folder: Path, options: dict[str, Any], plain: bool, json_output: bool) -> int:
    """One look, and what came of it; gives the exit code: files that failed are tried again, bad ones are not."""
    if plain:
        from culpa.flows.plain import watch as look
    else:
        from culpa.flows import watch as look
    with shown_on_terminal():
        watched = look(folder, **options)
    print(watched.as_json() if json_output else "\n".join(watched.as_lines()), flush=True)
    for file, what in [*watched.bad.items(), *watched.failed.items()]:
        print(f"culpa: {file}: {what}", file=sys.stderr)
    return FAILED if watched.failed else BAD_INPUT if watched.bad else 0


@takes_options("out")
def serve(
    source: str | None = None,
    /,
    *,
    cron: Annotated[
        str | None, Parameter(help='when to clean SOURCE, such as "0 3 * * *"; default: when asked')
    ] = None,
    watch: Annotated[Path | None, Parameter(help="a folder to look into for new files")] = None,
    every: Annotated[float, Parameter(help="seconds between two looks into the folder")] = 60.0,
    settle: Settle = 10.0,
    out: Annotated[Path | None, Parameter(help="the cleaned file of SOURCE; default: beside it")] = None,
    out_folder: OutFolder = None,
    on_event: Annotated[
        bool, Parameter(negative="", show_default=False, help="clean each new file by a run of its own, on its event")
    ] = False,
    retries: Annotated[int, Parameter(help="times that a failed run is tried again, a minute later")] = 1,
    timeout: Annotated[float | None, Parameter(help="seconds after which a run gives up; default: never")] = None,
    limit: Annotated[int, Parameter(help="runs at a time, of all deployments together")] = 2,
    **options: Any,
) -> None:
    """Serve the flows beside a running Prefect server: at times, on new files, on events, and by forms on its page.

    Parameters
    ----------
    source
        the table to clean at the times of --cron
    """
    if source is None and watch is None and not on_event:
        raise BadInput("nothing to serve: name a SOURCE (with --cron), a folder by --watch, or --on-event")
    settings = read_settings(source or str(watch), **options)
    from culpa.flows import serve as deployments

    deployments.check_server()
    common = settings.model_dump(mode="json", exclude={"source"}, exclude_unset=True)
    served = [deployments.publishing(settings.store)]
    if source is not None:
        served.append(deployments.nightly(source, cron, common if out is None else {**common, "out": str(out)}))
    if watch is not None:
        place = {} if out_folder is None else {"out_folder": str(out_folder)}
        looks = {"settle": settle, "only_notice": on_event, **place}
        served.append(deployments.watching(watch, every, {**looks, **common}))
    if on_event:
        served.append(deployments.on_arrival(common))
    for one in served:
        print(f"serving {one.flow_name}/{one.name}: {one.description}", flush=True)
    deployments.run_until_stopped(served, retries=retries, timeout_seconds=timeout, limit=limit)
