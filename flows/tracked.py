"""The steps as Prefect tasks: retried where another try can help, named after what they work on, never cached."""

import atexit
import gc
import sys
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from prefect import Task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun

from culpa.flows.plain import STEPS
from culpa.flows.story import Steps
from culpa.tasks.errors import BadInput, CulpaError, Refused

P = ParamSpec("P")
R = TypeVar("R")


def may_pass_later(task: object, task_run: TaskRun, state: State[Any]) -> bool:
    """Whether another try can help: a busy store or a full disk, yes; bad input, a guard or a defect, no."""
    error = state.result(raise_on_failure=False)
    return isinstance(error, OSError | CulpaError) and not isinstance(error, BadInput | Refused)


def _retried(step: Callable[P, R], run_name: str) -> Task[P, R]:
    return Task(
        step,
        name=step.__name__,
        task_run_name=run_name,
        cache_policy=NO_CACHE,
        retries=2,
        retry_delay_seconds=[2, 10],
        retry_condition_fn=may_pass_later,
    )


def _once(step: Callable[P, R], run_name: str) -> Task[P, R]:
    return Task(step, name=step.__name__, task_run_name=run_name, cache_policy=NO_CACHE)


TRACKED = Steps(
    ingest=_retried(STEPS.ingest, "ingest {settings.dataset_name}"),
    train=_once(STEPS.train, "train {ingested.run_id}"),
    score=_once(STEPS.score, "score {ingested.run_id}"),
    check=_once(STEPS.check, "check {ingested.run_id}"),
    tag=_retried(STEPS.tag, "tag {ingested.run_id}"),
    gate=_retried(STEPS.gate, "gate {run_id}"),
    publish=_retried(STEPS.publish, "publish {run_id}"),
    report=_retried(STEPS.report, "report {run_id}"),
)


@atexit.register
def let_go_of_duckdb() -> None:
    """Empty what holds on to DuckDB at the interpreter's end: our modules, and the frames of errors.

    Prefect's daemon threads keep the last runs' contexts, and with them these functions and errors, until the process
    is gone; DuckDB's bindings would report every object that lives so long as leaked, after the last line of output.
    """
    for error in [thing for thing in gc.get_objects() if issubclass(type(thing), BaseException)]:
        error.__traceback__ = None
    for name, module in list(sys.modules.items()):
        if name.startswith("culpa.tasks."):
            vars(module).clear()
