"""The flow's form: the fields of Settings, once more, for Prefect."""

import pandas as pd
import pytest
from prefect.flows import load_flow_from_entrypoint

from culpa.flows.form import table_flow
from culpa.flows.publish import publish
from culpa.flows.quiet import QUIET, be_quiet
from culpa.tasks.errors import BadInput
from culpa.tasks.settings import Options, Settings


@table_flow(Options, name="echo")
def echo(settings: Settings) -> tuple[str, int]:
    """Say what was asked for."""
    return settings.label, settings.seed


def test_the_form_has_every_setting_with_its_default_and_its_description() -> None:
    form = echo.parameters.properties
    assert list(form) == ["source", *Options.model_fields]
    assert echo.parameters.required == ["source", "label"]
    for name, field in Options.model_fields.items():
        assert form[name]["description"] == field.description
    assert form["proxy"]["default"] == "auto"
    assert form["max_drop"]["default"] == 0.2


def test_a_table_in_memory_is_named_to_the_server_and_its_rows_stay_here() -> None:
    told = echo.serialize_parameters({"source": pd.DataFrame({"secret": [1, 2]}), "label": "y"})
    assert told == {"source": "<DataFrame>", "label": "y"}


def test_the_server_is_told_no_password_that_stands_in_a_url() -> None:
    urls = {"source": "https://ann:secret@zoo.org/a.csv", "reference": ("https://zoo.org/b.csv?sig=secret",)}
    assert "secret" not in str(echo.serialize_parameters(urls))
    assert "secret" not in str(publish.serialize_parameters({"run": "abc", "out": "s3://ann:secret@zoo/a.csv"}))


def test_a_flow_reads_its_settings_before_it_does_anything(prefect_server: None) -> None:
    assert echo("train.csv", label="y", seed=3) == ("y", 3)
    with pytest.raises(BadInput, match="max_drop"):
        echo("train.csv", label="y", max_drop=7.0)


def test_quiet_leaves_what_the_user_has_set() -> None:
    environment = {"PREFECT_SERVER_ANALYTICS_ENABLED": "true"}
    be_quiet(environment)
    assert environment == {**QUIET, "PREFECT_SERVER_ANALYTICS_ENABLED": "true"}


def test_a_deployment_finds_the_flow_by_its_module_path() -> None:
    loaded = load_flow_from_entrypoint("culpa.flows.clean.clean")
    assert loaded.name == "culpa-clean"
    assert loaded.parameters.required == ["source", "label"]
