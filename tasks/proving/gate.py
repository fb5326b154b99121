"""The gate: before the rule's rows are dropped, models trained with and without them are compared on rows held out.

What it finds is written to the store: the verdict and its reason, the effects with their intervals, the curve of the
rounds, and every row that it holds back, which from then on no publish drops unless a person decides so. A plan that
was judged before is not judged again; another decision makes another plan.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from culpa.tasks import work
from culpa.tasks.brought import code_of
from culpa.tasks.errors import Refused
from culpa.tasks.proving.write_gate import Gated, recall, write_gate
from culpa.tasks.runs import Run, check_judged_by_rule, find_run, records
from culpa.tasks.settings import Options, Settings
from culpa.tasks.sql import statement
from culpa.tasks.store import connect
from culpa.tasks.views import use_current_views

if TYPE_CHECKING:
    from culpa.tasks.train import Prepared

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Proposal:
    """What a publish of the run would do by the rule and by people, as the gate is asked about it."""

    run: Run
    lines: list[dict[str, Any]]  # row_id, proposed, dropped, new_label, ...: tasks/proving/proposed.sql
    settings: Settings

    @property
    def removals(self) -> list[str]:
        """The rows that the rule alone would drop, the surest first."""
        return [line["row_id"] for line in self.lines if line["proposed"]]

    @property
    def plan(self) -> str:
        """One hash for everything that can change what the gate says."""
        asked = self.settings.model_dump(
            mode="json", include={"gate", "gate_margin", "judge", "seeds", "seed", "proxy"}
        )
        code = [None if name is None else code_of(name) for name in (self.settings.judge, self.settings.proxy)]
        everything = [asked, code, [list(line.values()) for line in self.lines], self.run.settings]
        return sha256(json.dumps(everything, default=str).encode()).hexdigest()[:16]


def gate(
    store: Path,
    run_id: str,
    *,
    folder: Path | None = None,
    gate: str | None = None,
    progress: Progress | None = None,
) -> Gated:
    """Judge what a publish of the run would drop, and remember what is held back.

    `folder` is the run's work folder with its rows and proxies, where it is still there; `gate`, left out, is the
    run's own. Errors: BadInput for no such run, and for a judge that cannot be trained.
    """
    proposal = _propose(Path(store), run_id, gate)
    known = recall(Path(store), proposal.run.run_id, proposal.plan)
    if known is not None:
        return known
    gated = _judge(Path(store), proposal, folder, progress or (lambda what, done: None))
    write_gate(Path(store), gated)
    return gated


def check_judged(connection: duckdb.DuckDBPyConnection, store: Path, run: Run, judged: Gated) -> None:
    """Refuse a publish whose plan is no longer the one that the gate judged last. Errors: Refused."""
    last = connection.execute("SELECT plan FROM gates WHERE run_id = ?", [run.run_id]).fetchall()
    if last != [(judged.plan,)] or _proposal(connection, store, run, judged.gate).plan != judged.plan:
        raise Refused(
            f"run {run.run_id} is not published, nothing was written: tags, decisions or the gate's word changed after "
            "the gate judged; publish it again"
        )


def _propose(store: Path, run_id: str, gate: str | None) -> Proposal:
    with connect(store, read_only=True) as connection:
        run = find_run(connection, run_id)
        check_judged_by_rule(run)
        return _proposal(connection, store, run, gate)


def _proposal(connection: duckdb.DuckDBPyConnection, store: Path, run: Run, gate: str | None) -> Proposal:
    use_current_views(connection)
    lines = records(connection, statement("proving/proposed"), {"run_id": run.run_id})
    settings = settings_of(store, run)
    return Proposal(run, lines, settings if gate is None else settings.model_copy(update={"gate": gate}))


def settings_of(store: Path, run: Run) -> Settings:
    """The settings that a run was made with, as far as the store keeps them."""
    known = {name: value for name, value in run.settings.items() if name in Options.model_fields and name != "rule"}
    return Settings.model_validate({**known, "source": run.source, "store": store})


def _judge(store: Path, proposal: Proposal, folder: Path | None, tell: Progress) -> Gated:
    run, settings, removals = proposal.run, proposal.settings, proposal.removals
    gated = Gated.of(run, proposal.plan, settings, len(removals))
    if settings.gate == "off":
        return replace(gated, passed=True, verdict="not judged", reason="The gate is off.", allowed=len(removals))
    if not removals:
        return replace(gated, passed=True, verdict="nothing to drop", reason="The rule drops nothing.")
    with _prepared(store, proposal, folder) as prepared:
        from culpa.tasks.proving.trials import prove_plan  # the proxies' libraries, only where something is judged

        return prove_plan(gated, _with_rule(proposal, prepared.folder), prepared, tell)


def _with_rule(proposal: Proposal, folder: Path) -> Proposal:
    """The same with the run's own rule at hand, if it was a user's."""
    rule = (proposal.run.report or {}).get("rule")
    if rule is None:
        return proposal
    file = folder / "rule.sql"
    file.write_text(rule, encoding="utf-8")
    return replace(proposal, settings=proposal.settings.model_copy(update={"rule": file}))


@contextmanager
def _prepared(store: Path, proposal: Proposal, folder: Path | None) -> Iterator["Prepared"]:
    """The run's rows: from its work folder, else made again from the store."""
    from culpa.tasks.train import RUN, load_prepared, prepare_in

    if folder is not None and (folder / RUN).is_file():
        yield load_prepared(folder)
        return
    with work.borrowed(store, "gate") as borrowed:
        prepare_in(borrowed, proposal.run.run_id, settings_of(store, proposal.run))
        yield load_prepared(borrowed)
