"""Charts of the scores: the four corners, and how each score is distributed."""

from math import floor, log10
from statistics import median
from typing import Any

import altair as alt

from culpa.tasks.report.drawing import plain_axis, rule, spec
from culpa.tasks.report.figures import Figures
from culpa.tasks.report.wording import spaced

__all__ = ["corners", "histogram"]

CORNERS = {  # colour and shape, so that no colour means something alone
    "mislabeled": ("var(--mislabeled)", "diamond"),
    "systematic_error": ("var(--systematic)", "square"),
    "rare_but_useful": ("var(--rare)", "triangle-up"),
    "neither": ("var(--neither)", "circle"),
}


def corners(figures: Figures) -> dict[str, Any]:
    """Memorization against influence; rows that harm lie to the left, rows that the model must memorize above."""
    points = [{**one, "corner": spaced(one["corner"])} for one in figures.points]
    names = [spaced(corner) for corner in CORNERS]
    colours, shapes = zip(*CORNERS.values(), strict=True)
    influence = _both_sides([one["influence"] for one in points])
    dots = alt.Chart().mark_point(filled=True, size=48, opacity=0.75).encode(
        x=alt.X("influence:Q", title="← harms · influence · helps →", **influence),
        y=alt.Y("memorization:Q", title="memorization", axis=plain_axis(tickCount=6)),
        color=alt.Color("corner:N", scale=alt.Scale(domain=names, range=list(colours)), legend=alt.Legend(columns=2)),
        shape=alt.Shape("corner:N", scale=alt.Scale(domain=names, range=list(shapes))),
        tooltip=[
            alt.Tooltip("row_id:N", title="row"),
            alt.Tooltip("given_label:N", title="given label"),
            alt.Tooltip("suggested_label:N", title="suggested label"),
            alt.Tooltip("probability_wrong:Q", title="probability wrong", format=".2f"),
            alt.Tooltip("memorization:Q", format=".3f"),
            alt.Tooltip("influence:Q", format=".2~e"),
            alt.Tooltip("corner:N", title="tag"),
        ],
    )  # fmt: skip
    threshold = figures.thresholds["memorization"]
    return spec(points, 420, rule(x=0), *([] if threshold is None else [rule(y=threshold)]), dots)


def _both_sides(values: list[float]) -> dict[str, Any]:
    """Scale and axis for values on both sides of nought: logarithmic away from it where some lie very far out."""
    sizes = [abs(value) for value in values if value]
    largest, usual = (max(sizes), median(sizes)) if sizes else (0.0, 0.0)
    if largest <= 30 * usual:
        return {"axis": plain_axis(tickCount=5)}
    top, bottom = floor(log10(largest)), floor(log10(usual))
    decades = [10.0**power for power in range(top, bottom - 1, -1 - (top - bottom) // 3)]
    ticks = [-one for one in decades] + [0.0] + decades
    return {"scale": alt.Scale(type="symlog", constant=usual), "axis": plain_axis(values=ticks)}


def histogram(figures: Figures, score: str) -> dict[str, Any]:
    """How many rows have which score, and how many of these the rule calls harmful; counts on a logarithmic axis."""
    bins, threshold = figures.histograms[score], figures.thresholds[score]
    powers = range(len(str(max(one["rows"] for one in bins))))
    ticks = alt.Axis(title="rows (log scale)", values=[0, *(10**power for power in powers)], format=",d")
    counts: dict[str, Any] = {"scale": alt.Scale(type="symlog", constant=1, domainMin=0), "axis": ticks}
    values = alt.X("from:Q", bin=alt.BinParams(binned=True), title=spaced(score), axis=plain_axis(tickCount=8),
                   scale=alt.Scale(nice=False, zero=False))  # fmt: skip
    colour = alt.Color("kind:N", scale=alt.Scale(domain=["all rows", "called harmful"],
                                                 range=["var(--neither)", "var(--mislabeled)"]))  # fmt: skip
    hover = [
        alt.Tooltip("from:Q", format=".3~g"),
        alt.Tooltip("to:Q", format=".3~g"),
        alt.Tooltip("rows:Q", format=","),
        alt.Tooltip("harmful:Q", title="called harmful", format=","),
    ]
    bars = [
        alt.Chart().transform_calculate(kind=f"'{kind}'").mark_bar(binSpacing=1).encode(
            x=values, x2="to:Q", y=alt.Y(f"{field}:Q", **counts), color=colour, tooltip=hover
        )
        for field, kind in (("rows", "all rows"), ("harmful", "called harmful"))
    ]  # fmt: skip
    return spec(bins, 190, *bars, *([] if threshold is None else [rule(x=threshold)]))
