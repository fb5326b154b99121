"""The report of a run: one page with everything it found and every proof it has, opened without a network.

Read in this order: `figures` (numbers from the store, by the SQL files beside it), `suspects` (the most suspicious
rows), `charts` and the files it names, `findings` (the charts in words), `page` (all of it as HTML), `write`. `compare`
sets two runs side by side.
"""

from culpa.tasks.report.compare import compare_runs
from culpa.tasks.report.write import reports_folder, write_report

__all__ = ["compare_runs", "reports_folder", "write_report"]
