"""The flow `clean`: flag, then publish. A deployment's entry point is `culpa.flows.clean.clean`.

The event `culpa.cleaned` tells where the files lie.
"""

from culpa.flows import events
from culpa.flows.artifacts import leave_artifacts
from culpa.flows.form import table_flow
from culpa.flows.result import Result
from culpa.flows.story import clean_table
from culpa.flows.tracked import TRACKED
from culpa.tasks.settings import Options, Settings


@table_flow(Options, name="culpa-clean")
def clean(settings: Settings) -> Result:
    """Flag the rows that are to blame, drop them, and write the cleaned table."""
    result = clean_table(settings, TRACKED)
    leave_artifacts(result)
    events.cleaned(result, settings.source_name)
    return result
