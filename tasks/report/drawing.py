"""What all charts of the report share: Vega-Lite over named numbers, in the page's own colours.

Colours are CSS variables, so one drawing serves light, dark and paper; the width is that of the box a chart stands in.
"""

from dataclasses import dataclass
from typing import Any

import altair as alt

__all__ = ["ACCENT", "CONFIG", "INK", "MUTED", "PAPER", "Drawing", "plain_axis", "rule", "spec"]

INK, MUTED, LINE, ACCENT, PAPER = (f"var(--{name})" for name in ("ink", "muted", "line", "accent", "paper"))

CONFIG: dict[str, Any] = {
    "background": "transparent",
    "font": "system-ui, sans-serif",
    "aria": False,  # the whole chart has one text of its own
    "view": {"stroke": "transparent"},
    "axis": {
        "labelColor": MUTED, "titleColor": MUTED, "gridColor": LINE, "domainColor": LINE, "tickColor": LINE,
        "labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal", "titlePadding": 10, "labelLimit": 130,
        "labelPadding": 5, "labelOverlap": "greedy", "labelSeparation": 8,
    },
    "axisX": {"grid": False},
    "legend": {
        "labelColor": INK, "labelFontSize": 12, "orient": "top", "direction": "horizontal", "title": None,
        "symbolSize": 90, "columnPadding": 16, "rowPadding": 4, "offset": 6,
    },
    "text": {"color": INK, "fontSize": 12},
    "rule": {"color": INK},
}  # fmt: skip


@dataclass(frozen=True)
class Drawing:
    """One chart: what it shows, its finding in words, and how Vega-Lite draws it."""

    name: str
    title: str
    finding: str
    spec: dict[str, Any]


def spec(data: list[dict[str, Any]], height: int, *layers: Any) -> dict[str, Any]:
    """Layers over one named set of numbers."""
    chart = alt.layer(*layers, data=alt.NamedData("own")).properties(width="container", height=height)
    drawn: dict[str, Any] = chart.to_dict()
    return {**drawn, "datasets": {**drawn.get("datasets", {}), "own": data}}


def rule(**where: float) -> Any:
    """A dashed line that stands beside the numbers: a threshold, or nought."""
    line = alt.Chart(alt.InlineData(values=[{}])).mark_rule(strokeDash=[4, 4], strokeWidth=1.5, opacity=0.65)
    return line.encode(**{side: alt.datum(value) for side, value in where.items()})


def plain_axis(**options: Any) -> alt.Axis:
    """An axis for numbers of any size, which calls nought 0 and not 0e+0."""
    small = "datum.value == 0 ? '0' : abs(datum.value) < 0.0001 ? format(datum.value, '~e') : format(datum.value, '~g')"
    return alt.Axis(labelExpr=small, **options)
