"""The flow `flag`: everything up to the tags. Its events tell of the run, and that rows of it wait for people."""

from culpa.flows import events
from culpa.flows.artifacts import leave_artifacts
from culpa.flows.form import table_flow
from culpa.flows.notify import rows_waiting
from culpa.flows.result import Result
from culpa.flows.story import flag_table
from culpa.flows.tracked import TRACKED
from culpa.tasks.settings import Options, Settings


@table_flow(Options, name="culpa-flag")
def flag(settings: Settings) -> Result:
    """Score and tag every row; nothing is dropped and no table is written."""
    result = flag_table(settings, TRACKED)
    leave_artifacts(result)
    events.flagged(rows_waiting(result))
    return result
