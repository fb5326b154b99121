"""The report's charts as Vega-Lite, drawn as SVG by the page itself.

Colours are the page's own CSS variables, so one drawing serves light, dark and paper. Numbers come in as named data, and
every width is that of the box a chart stands in.
"""

from dataclasses import dataclass
from math import floor, log10
from statistics import median
from typing import Any

import altair as alt

from culpa.tasks.report import findings
from culpa.tasks.report.figures import Figures, Records

__all__ = ["CONFIG", "Drawing", "draw"]

CORNERS = ("mislabeled", "systematic_error", "rare_but_useful", "neither")
COLOURS = ("var(--mislabeled)", "var(--systematic)", "var(--rare)", "var(--neither)")
SHAPES = ("cross", "square", "triangle-up", "circle")
INK, MUTED, LINE, ACCENT, PAPER = (f"var(--{name})" for name in ("ink", "muted", "line", "accent", "paper"))
MOST_LABELS = 14  # a side of the confusion
MOST_CLASSES = 30

CONFIG: dict[str, Any] = {
    "background": "transparent",
    "font": "system-ui, sans-serif",
    "aria": False,  # the whole chart has one text of its own
    "view": {"stroke": "transparent"},
    "axis": {
        "labelColor": MUTED, "titleColor": MUTED, "gridColor": LINE, "domainColor": LINE, "tickColor": LINE,
        "labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal", "titlePadding": 10, "labelLimit": 130,
        "labelPadding": 5,
    },
    "legend": {
        "labelColor": INK, "titleColor": MUTED, "labelFontSize": 12, "orient": "top", "direction": "horizontal",
        "title": None, "symbolSize": 90, "columnPadding": 16, "offset": 6,
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


def draw(figures: Figures) -> dict[str, Drawing]:
    """The charts that this run has numbers for, by name."""
    drawings = [
        Drawing("corners", "Memorization against influence", findings.of_points(figures), _corners(figures))
        if figures.points else None,
        *(
            Drawing(score, findings.SCORES[score], findings.of_histogram(figures, score), _histogram(figures, score))
            for score, bins in figures.histograms.items() if bins
        ),
        Drawing("calibration", "Expected precision by how many rows are reviewed", findings.of_calibration(figures),
                _calibration(figures.calibration)) if figures.calibration else None,
        Drawing("curve", "Effect on the reference loss, round by round", findings.of_curve(figures),
                _curve(figures.curve)) if figures.curve else None,
        Drawing("confusion", "Given label against suggested label", findings.of_confusion(figures),
                _confusion(figures.confusion)) if figures.confusion else None,
        Drawing("classes", "Rows of each class before and after", findings.of_classes(figures),
                _classes(figures)) if figures.classes else None,
        Drawing("faithfulness", "Predicted against real effect of leaving rows out", findings.of_removals(figures),
                _faithfulness(figures.faithfulness)) if figures.faithfulness and "spearman" in figures.removals else None,
    ]  # fmt: skip
    return {one.name: one for one in drawings if one is not None}


def _spec(data: Records, height: int, *layers: Any) -> dict[str, Any]:
    """Layers over one named set of numbers."""
    chart = alt.layer(*layers, data=alt.NamedData("own")).properties(width="container", height=height)
    return {**chart.to_dict(), "datasets": {"own": data}}


def _once() -> Any:
    """A layer of one mark, beside the data."""
    return alt.Chart(alt.InlineData(values=[{}]))


def _corners(figures: Figures) -> dict[str, Any]:
    points = [{**one, "corner": one["corner"].replace("_", " ")} for one in figures.points]
    names = [corner.replace("_", " ") for corner in CORNERS]
    influence = alt.X("influence:Q", title="← harms      influence on the reference rows      helps →",
                      **_wide([one["influence"] for one in points]))  # fmt: skip
    dots = alt.Chart().mark_point(filled=True, size=42, opacity=0.75).encode(
        x=influence,
        y=alt.Y("memorization:Q", title="memorization"),
        color=alt.Color("corner:N", scale=alt.Scale(domain=names, range=list(COLOURS))),
        shape=alt.Shape("corner:N", scale=alt.Scale(domain=names, range=list(SHAPES))),
        tooltip=[
            alt.Tooltip("row_id:N", title="row"), alt.Tooltip("given_label:N", title="given label"),
            alt.Tooltip("suggested_label:N", title="suggested label"),
            alt.Tooltip("probability_wrong:Q", title="probability wrong", format=".2f"),
            alt.Tooltip("memorization:Q", format=".3f"), alt.Tooltip("influence:Q", format=".2~e"),
            alt.Tooltip("corner:N", title="tag"),
        ],
    )  # fmt: skip
    lines = [_once().mark_rule(strokeDash=[4, 4], opacity=0.6).encode(x=alt.datum(0))]
    if (threshold := figures.thresholds["memorization"]) is not None:
        lines.append(_once().mark_rule(strokeDash=[4, 4], opacity=0.6).encode(y=alt.datum(threshold)))
    return _spec(points, 420, *lines, dots)


def _wide(values: list[float]) -> dict[str, Any]:
    """A scale for values that reach far out on both sides of nought: logarithmic there, linear near it."""
    sizes = [abs(value) for value in values if value]
    largest, usual = max(sizes, default=0.0), median(sizes) if sizes else 0.0
    if largest <= 30 * usual:
        return {"axis": alt.Axis(format="~e", tickCount=6)}
    top, bottom = floor(log10(largest)), floor(log10(usual))
    decades = [10.0**power for power in range(top, bottom - 1, -1 - (top - bottom) // 3)]
    ticks = [-one for one in decades] + [0.0] + decades
    return {"scale": alt.Scale(type="symlog", constant=usual), "axis": alt.Axis(values=ticks, format="~e")}


def _histogram(figures: Figures, score: str) -> dict[str, Any]:
    bins = figures.histograms[score]
    axis = alt.X("from:Q", title=score.replace("_", " "), scale=alt.Scale(nice=False, zero=False))
    ticks = [0] + [10**power for power in range(len(str(max(one["rows"] for one in bins))))]
    rows = alt.Scale(type="symlog", constant=1, domainMin=0)
    height = alt.Axis(title="rows (log scale)", values=ticks, format="~s", grid=True)
    hover = [
        alt.Tooltip("from:Q", format=".3~g"), alt.Tooltip("to:Q", format=".3~g"), alt.Tooltip("rows:Q", format=","),
        alt.Tooltip("harmful:Q", title="called harmful", format=","),
    ]  # fmt: skip
    kinds = alt.Scale(domain=["all rows", "called harmful"], range=["var(--neither)", "var(--mislabeled)"])
    bars = [
        alt.Chart().transform_calculate(kind=f"'{kind}'").mark_bar(binSpacing=1).encode(
            x=axis, x2="to:Q", y=alt.Y(f"{field}:Q", scale=rows, axis=height), color=alt.Color("kind:N", scale=kinds),
            tooltip=hover,
        )
        for field, kind in (("rows", "all rows"), ("harmful", "called harmful"))
    ]  # fmt: skip
    line = []
    if (threshold := figures.thresholds[score]) is not None:
        line = [_once().mark_rule(strokeDash=[4, 4], strokeWidth=1.5).encode(x=alt.datum(threshold))]
    return _spec(bins, 190, *bars, *line)


def _calibration(lines: Records) -> dict[str, Any]:
    far = lines[-1]["budget"] > 50 * max(1, lines[0]["budget"])
    x = alt.X("budget:Q", title="most suspicious rows reviewed" + (" (log scale)" if far else ""),
              scale=alt.Scale(type="log" if far else "linear", nice=False), axis=alt.Axis(format="~s", tickCount=6))  # fmt: skip
    y = alt.Y(
        "precision_expected:Q", title="share that is wrong", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format="%")
    )
    hover = [
        alt.Tooltip("budget:Q", title="reviewed", format=","),
        alt.Tooltip("wrong_expected:Q", title="expected wrong", format=",.0f"),
        alt.Tooltip("precision_expected:Q", title="share", format=".0%"),
        alt.Tooltip("precision_low:Q", title="from", format=".0%"), alt.Tooltip("precision_high:Q", title="to", format=".0%"),
    ]  # fmt: skip
    base = alt.Chart().encode(x=x)
    return _spec(
        lines,
        260,
        base.mark_area(color=ACCENT, opacity=0.18).encode(y=alt.Y("precision_low:Q", title=""), y2="precision_high:Q"),
        base.mark_line(color=ACCENT, strokeWidth=2.5).encode(y=y),
        base.mark_point(color=ACCENT, filled=True, size=36, opacity=1).encode(y=y, tooltip=hover),
    )


def _curve(lines: Records) -> dict[str, Any]:
    arms = ["cleaned", "random"]
    colour = alt.Color("arm:N", scale=alt.Scale(domain=arms, range=[ACCENT, MUTED]))
    x = alt.X("removed:Q", title="rows removed", axis=alt.Axis(format="~s", tickCount=6))
    y = alt.Y("effect:Q", title="fall of the loss (up is better)", axis=alt.Axis(format="~g"))
    hover = [alt.Tooltip("arm:N"), alt.Tooltip("removed:Q", format=","), alt.Tooltip("effect:Q", format="+.3~g"),
             alt.Tooltip("low:Q", format="+.3~g"), alt.Tooltip("high:Q", format="+.3~g")]  # fmt: skip
    base = alt.Chart().encode(x=x, color=colour)
    chosen = base.transform_filter("datum.chosen && datum.arm == 'cleaned'")
    return _spec(
        lines,
        280,
        _once().mark_rule(opacity=0.5).encode(y=alt.datum(0)),
        base.mark_area(opacity=0.16).encode(y=alt.Y("low:Q", title=""), y2="high:Q"),
        base.mark_line(strokeWidth=2.5).encode(
            y=y, strokeDash=alt.StrokeDash("arm:N", scale=alt.Scale(domain=arms, range=[[1, 0], [5, 4]]))
        ),
        base.mark_point(filled=True, size=30, opacity=1).encode(y=y, tooltip=hover),
        chosen.mark_point(size=260, strokeWidth=2.5, opacity=1, filled=False, color=INK).encode(y=y),
        chosen.mark_text(dy=-18, text="chosen", color=INK).encode(y=y, color=alt.value(INK)),
    )


def _confusion(lines: Records) -> dict[str, Any]:
    """The labels that take part in the most changes; the table beside the chart has the rest."""
    weight: dict[str, int] = {}
    for one in lines:
        for label in (one["given"], one["suggested"]):
            weight[label] = weight.get(label, 0) + one["rows"]
    labels = sorted(sorted(weight, key=lambda label: -weight[label])[:MOST_LABELS])
    shown = [one for one in lines if one["given"] in labels and one["suggested"] in labels]
    most = max((one["rows"] for one in shown), default=1)
    base = alt.Chart().encode(
        x=alt.X("suggested:N", title="suggested", sort=labels, scale=alt.Scale(domain=labels),
                axis=alt.Axis(labelAngle=0 if max(map(len, labels)) < 4 else -40, labelLimit=90)),
        y=alt.Y("given:N", title="given", sort=labels, scale=alt.Scale(domain=labels), axis=alt.Axis(labelLimit=90)),
    )  # fmt: skip
    dark = alt.when(f"datum.rows > {0.55 * most}").then(alt.value(PAPER)).otherwise(alt.value(INK))
    return _spec(
        shown,
        max(160, 28 * len(labels)),
        base.mark_rect(color=ACCENT, cornerRadius=3).encode(
            opacity=alt.Opacity("rows:Q", scale=alt.Scale(domain=[0, most], range=[0.08, 1]), legend=None),
            tooltip=["given:N", "suggested:N", "rows:Q"],
        ),
        base.mark_text().encode(text="rows:Q", color=dark),
    )


def _classes(figures: Figures) -> dict[str, Any]:
    classes = figures.classes
    lost = sorted(classes, key=lambda one: one["after"] / max(1, one["before"]))[:MOST_CLASSES]
    shown = [one for one in classes if one in lost]
    order = [label for label in figures.run.classes if any(one["label"] == label for one in shown)]
    y = alt.Y("label:N", title=None, sort=order, axis=alt.Axis(labelLimit=110))
    kinds = alt.Scale(domain=["after", "before"], range=[ACCENT, "var(--neither)"])
    hover = ["label:N", alt.Tooltip("before:Q", format=","), alt.Tooltip("after:Q", format=",")]
    bars = [
        alt.Chart().transform_calculate(when=f"'{field}'").mark_bar(height={"band": size}).encode(
            x=alt.X(f"{field}:Q", title="rows", axis=alt.Axis(format="~s", tickCount=6)), y=y,
            color=alt.Color("when:N", scale=kinds), tooltip=hover,
        )
        for field, size in (("before", 0.75), ("after", 0.4))
    ]  # fmt: skip
    return _spec(shown, max(80, 24 * len(shown)), *bars)


def _faithfulness(lines: Records) -> dict[str, Any]:
    names = {"row": "one row", "subset": "a set of rows", "dropped": "the rows about to go"}
    data = [{**one, "what": names.get(one["kind"], one["kind"])} for one in lines]
    ends = [one[side] for one in data for side in ("predicted", "real")]
    diagonal = {
        "x": alt.datum(min(ends)),
        "y": alt.datum(min(ends)),
        "x2": alt.datum(max(ends)),
        "y2": alt.datum(max(ends)),
    }
    kinds = [name for name in names.values() if any(one["what"] == name for one in data)]
    axis = alt.Axis(format="~e", tickCount=5)
    points = alt.Chart().mark_point(filled=True, size=60, opacity=0.8).encode(
        x=alt.X("predicted:Q", title="predicted rise of the reference loss", axis=axis),
        y=alt.Y("real:Q", title="real rise", axis=axis),
        color=alt.Color("what:N", scale=alt.Scale(domain=kinds, range=[ACCENT, "var(--rare)", "var(--mislabeled)"])),
        shape=alt.Shape("what:N", scale=alt.Scale(domain=kinds)),
        tooltip=[alt.Tooltip("what:N", title="left out"), alt.Tooltip("row_id:N", title="row"), "rows:Q",
                 alt.Tooltip("predicted:Q", format=".3~e"), alt.Tooltip("real:Q", format=".3~e")],
    )  # fmt: skip
    return _spec(data, 300, _once().mark_rule(strokeDash=[4, 4], opacity=0.6).encode(**diagonal), points)
