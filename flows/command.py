"""The command `culpa`. Exit codes: 0 done, 1 failed, 2 bad input, 3 a guard or the gate refused.

Only what `--help` needs is imported here; Prefect, scikit-learn and DuckDB come with the command that uses them.
"""

import json
import sys
import traceback
from collections.abc import Sequence
from importlib.metadata import version

from cyclopts import App, CycloptsError

from culpa.flows import carry, operate, report, review, run, storage
from culpa.flows.page import command as page
from culpa.flows.quiet import be_quiet
from culpa.flows.run import REFUSED
from culpa.tasks.errors import BadInput, CulpaError, Refused

DONE, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130

app = App(
    name="culpa",
    version=version("culpa"),
    help="Find the training rows that are to blame, tag them, let people overrule the tags, write the cleaned table.",
    help_epilogue="Exit codes: 0 done, 1 failed, 2 bad input, 3 refused by a guard or the gate.",
)
COMMANDS = (
    *(run.clean, run.flag, run.publish),
    *(review.decide, review.explain, review.runs, review.sql, review.groups, review.methods),
    *(report.report, report.compare),
    *(operate.watch, operate.serve),
)
for command in COMMANDS:
    app.command(command)
reviewing = App(name="review", help="Look at the flagged rows in a page, or carry them to people as files.")
storing = App(name="store", help="Check a store, forget old scores, back it up.")
for command in (storage.check, storage.prune, storage.export, storage.restore):
    storing.command(command)
reviewing.default(page.review)
reviewing.command(carry.export_queue, name="export")
reviewing.command(carry.import_decisions, name="import")
app.command(reviewing)
app.command(storing)


def main(words: Sequence[str] | None = None) -> None:
    """The entry point: run one command and leave with its exit code."""
    be_quiet()
    sys.exit(answer(sys.argv[1:] if words is None else words))


def answer(words: Sequence[str]) -> int:
    """Run one command; say what went wrong in one line on standard error."""
    try:
        return app(words, exit_on_error=False, print_error=False, result_action="return_value") or DONE
    except (BadInput, CycloptsError) as error:
        return _complain(words, error, BAD_INPUT)
    except Refused as error:
        return _complain(words, error, REFUSED)
    except CulpaError as error:
        return _complain(words, error, FAILED)
    except KeyboardInterrupt:
        return _complain(words, "interrupted; nothing half done was left behind", INTERRUPTED)
    except Exception as error:
        traceback.print_exc()
        return _complain(words, f"{type(error).__name__}: {error}", FAILED)


def _complain(words: Sequence[str], error: object, code: int) -> int:
    message = " ".join(str(error).split())
    print(f"culpa: {message}", file=sys.stderr)
    if "--json" in words:
        print(json.dumps({"error": message, "exit_code": code}, indent=2))
    return code


if __name__ == "__main__":
    main()
