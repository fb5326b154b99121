"""prefect.yaml and `culpa serve`: every entry point is a flow, every parameter is one of its, every run queues up."""

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from prefect.cli.deploy._config import _load_deploy_configs_and_actions
from prefect.cli.deploy._triggers import _initialize_deployment_triggers
from prefect.flows import load_flow_from_entrypoint
from prefect.settings import PREFECT_API_URL, temporary_settings
from rich.console import Console

from culpa.flows import serve
from culpa.flows.command import answer
from culpa.flows.watching import read_watch
from tests.flows.test_watch import an_arrival

ROOT = Path(__file__).parents[2]
CONSOLE = Console(file=StringIO())
DEPLOYMENTS, ACTIONS = _load_deploy_configs_and_actions(ROOT / "prefect.yaml", console=CONSOLE)
each = pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda deployment: deployment["name"])


def test_prefect_reads_the_file_without_a_complaint() -> None:
    assert CONSOLE.file.getvalue() == ""  # type: ignore[attr-defined]
    assert [one["name"] for one in DEPLOYMENTS] == [
        "nightly", "watch", "on-arrival", "after-load", "flag", "after-flag", "publish",
    ]  # fmt: skip
    assert ACTIONS["pull"] == []


@each
def test_every_parameter_is_one_of_the_flow_and_of_its_type(deployment: dict[str, Any]) -> None:
    flow = load_flow_from_entrypoint(deployment["entrypoint"])
    form = flow.parameters
    given = dict(deployment.get("parameters", {}))
    for trigger in _initialize_deployment_triggers(deployment["name"], deployment.get("triggers", [])):
        given |= trigger.parameters or {}
    assert set(given) <= set(form.properties)
    if deployment["name"] != "publish":  # its form asks for the run
        assert set(form.required) <= set(given)
    flow.validate_parameters({name: given.get(name) or "given" for name in {*given, *form.required}})


@each
def test_every_deployment_says_what_it_is_for_and_queues_up(deployment: dict[str, Any]) -> None:
    assert deployment["description"]
    assert "culpa" in deployment["tags"]
    too_early = "CANCEL_NEW" if deployment["name"] == "watch" else "ENQUEUE"  # the next look makes up for one left out
    assert deployment["concurrency_limit"] == {"limit": 1, "collision_strategy": too_early}
    assert deployment["work_pool"]["name"] == "culpa"
    assert "CULPA_TIMEOUT_SECONDS" in deployment["work_pool"]["job_variables"]["env"]


def test_an_event_tells_what_the_deployment_reads_from_it(folder: Path) -> None:
    told = read_watch(folder / "incoming", label="y").payload_of(an_arrival(folder))
    by_name = {one["name"]: one for one in DEPLOYMENTS}
    templates = by_name["on-arrival"]["triggers"][0]["parameters"]
    assert templates == {name: f"{{{{ event.payload.{key} }}}}" for name, key in serve.PAYLOAD.items()}
    assert set(serve.PAYLOAD.values()) <= set(told)


def test_served_deployments_are_found_by_module_and_queue_up() -> None:
    options = {"label": "y", "store": "zoo.duckdb"}
    nightly = serve.nightly("zoo.csv", "0 3 * * *", options)
    watching = serve.watching(Path("incoming"), 60.0, {**options, "only_notice": True})
    arrival = serve.on_arrival(options)
    publishing = serve.publishing(Path("zoo.duckdb"))
    for one, entrypoint in ((nightly, "clean"), (watching, "watch"), (arrival, "clean"), (publishing, "publish")):
        assert one.entrypoint == f"culpa.flows.{entrypoint}.{entrypoint}"
        assert one.concurrency_limit == 1
        too_early = "CANCEL_NEW" if one is watching else "ENQUEUE"
        assert one.concurrency_options.collision_strategy == too_early
        assert load_flow_from_entrypoint(one.entrypoint).name == one.flow_name
    assert [schedule.schedule.cron for schedule in nightly.schedules] == ["0 3 * * *"]
    assert arrival.parameters == {"label": "y"}  # the store comes with the event
    assert arrival.triggers[0].expect == {"culpa.file.arrived"}


def test_serve_wants_something_to_serve_and_a_server(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serve, "run_until_stopped", lambda *served, **how: pytest.fail("it serves"))
    assert answer(["serve", "--label", "y"]) == 2
    assert "nothing to serve" in capsys.readouterr().err
    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        assert answer(["serve", "zoo.csv", "--label", "y", "--cron", "0 3 * * *"]) == 2
    assert "prefect server start" in capsys.readouterr().err


def test_a_flow_gives_up_after_what_the_deployment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    from culpa.flows.form import timeout_seconds

    assert timeout_seconds() is None
    monkeypatch.setenv("CULPA_TIMEOUT_SECONDS", "90")
    assert timeout_seconds() == 90.0
