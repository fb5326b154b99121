"""The flow `watch`: one pass over a folder. A deployment's entry point is `culpa.flows.watch.watch`.

Schedule it every minute; or let it only notice, and let each event `culpa.file.arrived` start the flow `clean`.
"""

from pathlib import Path
from typing import Any

from culpa.flows import clean as clean_file
from culpa.flows import events
from culpa.flows.form import options_flow
from culpa.flows.result import Result
from culpa.flows.watching import Watched, check_none_failed, read_watch, watch_folder
from culpa.tasks.settings import Settings


@options_flow("out", name="culpa-watch", flow_run_name="watch {folder}")
def watch(
    folder: Path,
    *,
    settle: float = 10.0,
    out_folder: Path | None = None,
    only_notice: bool = False,
    **options: Any,
) -> Watched:
    """Notice the settled new files of a folder, each once, tell of them, and clean them one after another.

    Args:
        folder: the folder to watch, with the folders in it; hidden and temporary names are not looked at
        settle: seconds between two looks at which a file must have the same size and time of change
        out_folder: where NAME.cleaned.parquet goes; default: FOLDER.cleaned beside the folder
        only_notice: send the event culpa.file.arrived for each new file, and leave the cleaning to who hears it
    """
    chosen: dict[str, Any] = {"settle": settle, "out_folder": out_folder, "only_notice": only_notice}
    return check_none_failed(watch_folder(read_watch(folder, **chosen, **options), _clean, events.file_arrived))


def _clean(settings: Settings) -> Result:
    """The flow `clean` of one file, as a sub-flow."""
    result: Result = clean_file(settings.source, **settings.model_dump(exclude={"source"}, exclude_unset=True))
    return result
