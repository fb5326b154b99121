"""Charts of the labels: which are taken for which, and what each class loses."""

from typing import Any

import altair as alt

from culpa.tasks.report.drawing import ACCENT, INK, PAPER, spec
from culpa.tasks.report.figures import Figures, Records

__all__ = ["MOST_CLASSES", "classes", "confusion"]

MOST_LABELS = 14  # on each side of the confusion
MOST_CLASSES = 30


def confusion(lines: Records, order: tuple[str, ...]) -> dict[str, Any]:
    """Given against suggested label, of the labels that take part in the most changes, in their own `order`."""
    weight = dict.fromkeys(order, 0)
    for one in lines:
        for label in (one["given"], one["suggested"]):
            weight[label] = weight.get(label, 0) + one["rows"]
    most_mixed = sorted((label for label in weight if weight[label]), key=lambda label: -weight[label])[:MOST_LABELS]
    labels = [label for label in weight if label in most_mixed]
    shown = [one for one in lines if one["given"] in labels and one["suggested"] in labels]
    most = max((one["rows"] for one in shown), default=1)
    side: dict[str, Any] = {"sort": labels, "scale": alt.Scale(domain=labels)}
    slope = 0 if max(map(len, labels)) < 4 else -90
    base = alt.Chart().encode(
        x=alt.X(
            "suggested:N", axis=alt.Axis(title="suggested", labelAngle=slope, labelLimit=90, labelOverlap=False), **side
        ),
        y=alt.Y("given:N", axis=alt.Axis(title="given", labelLimit=90, grid=False), **side),
    )
    ink = alt.when(f"datum.rows > {0.55 * most}").then(alt.value(PAPER)).otherwise(alt.value(INK))
    hover = ["given:N", "suggested:N", "rows:Q"]
    strength = alt.Opacity("rows:Q", scale=alt.Scale(domain=[0, most], range=[0.08, 1]), legend=None)
    return spec(
        shown,
        max(160, 28 * len(labels)),
        base.mark_rect(color=ACCENT, cornerRadius=3).encode(opacity=strength, tooltip=hover),
        base.mark_text().encode(text="rows:Q", color=ink),
    )


def classes(figures: Figures) -> dict[str, Any]:
    """Rows before as a broad bar, rows after as a narrow one in it; of many classes those that lose most."""
    lost = sorted(figures.classes, key=lambda one: one["after"] / max(1, one["before"]))[:MOST_CLASSES]
    labels = {one["label"] for one in lost}
    order = [*(label for label in figures.run.classes if label in labels), *sorted(labels - set(figures.run.classes))]
    hover = ["label:N", alt.Tooltip("before:Q", format=","), alt.Tooltip("after:Q", format=",")]
    colour = alt.Color("when:N", scale=alt.Scale(domain=["before", "after"], range=["var(--neither)", ACCENT]))
    bars = [
        alt.Chart().transform_calculate(when=f"'{field}'").mark_bar(height={"band": size}).encode(
            x=alt.X(f"{field}:Q", title="rows", axis=alt.Axis(format=",d", tickCount=5)),
            y=alt.Y("label:N", title=None, sort=order, axis=alt.Axis(labelLimit=110)),
            color=colour,
            tooltip=hover,
        )
        for field, size in (("before", 0.75), ("after", 0.4))
    ]  # fmt: skip
    return spec(lost, max(80, 24 * len(lost)), *bars)
