"""The report as one HTML text: no request leaves it, and nothing that a cell contains can act in it.

Every value is escaped, also inside the charts' JSON, and the page's own policy lets only our two scripts run,
each named by its hash.
"""

import base64
import json
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any

import vl_convert
from jinja2 import Environment, PackageLoader, StrictUndefined
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from culpa.tasks.report import findings, wording
from culpa.tasks.report.charts import draw
from culpa.tasks.report.drawing import CONFIG
from culpa.tasks.report.figures import Figures, Records

__all__ = ["render"]


def render(figures: Figures) -> str:
    """The whole page."""
    drawings = draw(figures)
    said = {"config": CONFIG, "drawings": {name: drawing.spec for name, drawing in drawings.items()}}
    scripts = [_libraries(), _beside("draw.js")]
    return _environment().get_template("page.html").render(
        figures=figures,
        run=figures.run,
        drawings=drawings,
        effects=findings.headline_effects(figures),
        budgets=_round_ones(figures.calibration),
        findings=findings,
        wording=wording,
        scripts=[Markup(script) for script in scripts],
        hashes=[_hash(script) for script in scripts],
        style=Markup(_beside("page.css")),
        drawn=htmlsafe_json_dumps(said, dumps=_dumps),
    )  # fmt: skip


def _round_ones(lines: Records) -> Records:
    """The budgets that people think in (10, 20, 50, 100, ...) and the last; all of them where these are few."""
    found = [one for one in lines if str(one["budget"]).rstrip("0") in ("1", "2", "5") or one is lines[-1]]
    return found if len(found) > 3 else lines[:20]


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("culpa.tasks", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {name: getattr(wording, name) for name in wording.__all__}
    return environment


@cache
def _libraries() -> str:
    """Vega, Vega-Lite and their embedder as one script, from the package and not from a network."""
    script: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return script.replace("\r\n", "\n").replace("</script", "<\\/script")


def _beside(name: str) -> str:
    return files("culpa.tasks.report").joinpath(name).read_text(encoding="utf-8")


def _hash(script: str) -> str:
    """How a content security policy names a script."""
    return "sha256-" + base64.b64encode(sha256(script.encode()).digest()).decode("ascii")


def _dumps(value: Any, **options: Any) -> str:
    """Compact JSON; six digits are more than a chart can show."""
    return json.dumps(_rounded(value), separators=(",", ":"), default=str, **options)


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.6g}") if abs(value) < float("inf") else None
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    return [_rounded(one) for one in value] if isinstance(value, list | tuple) else value
