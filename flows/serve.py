"""What `culpa serve` serves: deployments of the flows in one process, beside a Prefect server that runs already.

`clean` cleans one table, every night if asked; `watch` looks into a folder every minute; `on-arrival` cleans a file
that somebody told of by the event `culpa.file.arrived`; `publish` is a form. Runs of a deployment queue up behind each
other. A step is tried again by itself where that can help; a whole run as often as `retries` says.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prefect import Flow, serve
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.deployments.runner import RunnerDeployment
from prefect.events import DeploymentEventTrigger
from prefect.settings import get_current_settings
from prefect.types.entrypoint import EntrypointType

from culpa.flows import clean, publish, watch
from culpa.flows.events import ARRIVED
from culpa.tasks.errors import BadInput

__all__ = ["PAYLOAD", "check_server", "nightly", "on_arrival", "publishing", "run_until_stopped", "watching"]

PAYLOAD = {
    "source": "path",
    "out": "out",
    "dataset": "dataset",
    "store": "store",
}  # parameter -> what the event calls it
QUEUED = ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.ENQUEUE)
ALONE = ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW)  # the next look will do


def nightly(source: str, cron: str | None, options: dict[str, Any]) -> RunnerDeployment:
    """Clean one table at the times that `cron` names, or whenever somebody asks."""
    about = f"Flag the rows of {source} that are to blame, and write the cleaned table."
    return _deployment(clean, "clean", about, {"source": source, **options}, cron=cron)


def watching(folder: Path, every: float, options: dict[str, Any]) -> RunnerDeployment:
    """Look into a folder every so many seconds."""
    about = f"Notice the settled new files of {folder}, each once."
    return _deployment(watch, "watch", about, {"folder": str(folder), **options}, limit=ALONE, interval=every)


def on_arrival(options: dict[str, Any]) -> RunnerDeployment:
    """Clean the file that an event tells of: its place, and the places of what comes of it, stand in the event."""
    told = {name: _from_payload(key) for name, key in PAYLOAD.items()}
    trigger = DeploymentEventTrigger(name="culpa: a file arrived", expect={ARRIVED}, parameters=told)
    rest = {name: value for name, value in options.items() if name not in PAYLOAD}
    return _deployment(
        clean, "on-arrival", f"Clean a file when the event {ARRIVED} tells of it.", rest, triggers=[trigger]
    )


def publishing(store: Path) -> RunnerDeployment:
    """Publish a run that people have looked at, whenever somebody asks."""
    about = "Apply the tags and people's decisions of a flagged run, unless rows wait that a person must see."
    return _deployment(publish, "publish", about, {"store": str(store), "require_review": True})


def _deployment(
    flow: Flow[..., Any],
    name: str,
    about: str,
    parameters: dict[str, Any],
    *,
    limit: ConcurrencyLimitConfig = QUEUED,
    **when: Any,
) -> RunnerDeployment:
    """A deployment that others find by its module: whoever runs it needs no checkout."""
    return RunnerDeployment.from_flow(
        flow,
        name,
        parameters=parameters,
        description=about,
        tags=["culpa"],
        concurrency_limit=limit,
        entrypoint_type=EntrypointType.MODULE_PATH,
        **when,
    )


def _from_payload(key: str) -> dict[str, str]:
    return {"__prefect_kind": "jinja", "template": f"{{{{ event.payload.{key} }}}}"}


def check_server() -> None:
    """Refuse to serve where no server runs: a flow's own temporary one has no clock for schedules and events."""
    if get_current_settings().api.url is None:
        raise BadInput(
            "culpa serve needs a running Prefect server: start one by `prefect server start --host 127.0.0.1`, and say "
            "where by `export PREFECT_API_URL=http://127.0.0.1:4200/api`"
        )


def run_until_stopped(
    served: Sequence[RunnerDeployment], *, retries: int, timeout_seconds: float | None, limit: int
) -> None:
    """Serve until interrupted; the runs are processes that inherit what stands in the environment."""
    os.environ["PREFECT_FLOWS_DEFAULT_RETRIES"] = str(retries)
    os.environ["PREFECT_FLOWS_DEFAULT_RETRY_DELAY_SECONDS"] = "60"
    if timeout_seconds is not None:
        os.environ["CULPA_TIMEOUT_SECONDS"] = str(timeout_seconds)
    serve(*served, limit=limit, print_starting_message=False)
