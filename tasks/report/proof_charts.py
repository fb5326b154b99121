"""Charts of the proof: calibration by planted labels, the gate's retraining curve, faithfulness of influence."""

from typing import Any

import altair as alt

from culpa.tasks.report.drawing import ACCENT, INK, MUTED, plain_axis, rule, spec
from culpa.tasks.report.figures import Records

__all__ = ["calibration", "curve", "faithfulness"]


def calibration(lines: Records) -> dict[str, Any]:
    """The expected share of wrong labels among the most suspicious rows, with its band."""
    far = lines[-1]["budget"] > 50 * max(1, lines[0]["budget"])
    budget = alt.X(
        "budget:Q",
        title="most suspicious rows reviewed" + (" (log scale)" if far else ""),
        scale=alt.Scale(type="log" if far else "linear", nice=False),
        axis=alt.Axis(format=",d", tickCount=6),
    )
    wrong = alt.Y("precision_expected:Q", title="share that is wrong", scale=alt.Scale(domain=[0, 1]),
                  axis=alt.Axis(format="%", tickCount=5))  # fmt: skip
    hover = [
        alt.Tooltip("budget:Q", title="reviewed", format=","),
        alt.Tooltip("wrong_expected:Q", title="expected wrong", format=",.0f"),
        alt.Tooltip("precision_expected:Q", title="share", format=".0%"),
        alt.Tooltip("precision_low:Q", title="from", format=".0%"),
        alt.Tooltip("precision_high:Q", title="to", format=".0%"),
    ]
    base = alt.Chart().encode(x=budget)
    band = base.mark_area(color=ACCENT, opacity=0.18, clip=True)
    return spec(
        lines,
        260,
        band.encode(y=alt.Y("precision_low:Q", title=""), y2="precision_high:Q"),
        base.mark_line(color=ACCENT, strokeWidth=2.5).encode(y=wrong),
        base.mark_point(color=ACCENT, filled=True, size=36, opacity=1).encode(y=wrong, tooltip=hover),
    )


def curve(lines: Records) -> dict[str, Any]:
    """What removing rows does to the loss, round by round, beside as many at random; the chosen point is ringed."""
    arms = {"cleaned": ACCENT, "random": MUTED}
    colours = alt.Scale(domain=list(arms), range=list(arms.values()))
    dashes = alt.StrokeDash("arm:N", scale=alt.Scale(domain=list(arms), range=[[1, 0], [5, 4]]))
    effect = alt.Y("effect:Q", title="fall of the loss (up is better)", axis=plain_axis(tickCount=6))
    hover = [
        alt.Tooltip("arm:N"),
        alt.Tooltip("removed:Q", format=","),
        alt.Tooltip("effect:Q", format="+.3~g"),
        alt.Tooltip("low:Q", format="+.3~g"),
        alt.Tooltip("high:Q", format="+.3~g"),
    ]
    base = alt.Chart().encode(x=alt.X("removed:Q", title="rows removed", axis=alt.Axis(format=",d", tickCount=6)))
    bands = [
        base.transform_filter(f"datum.arm == '{arm}'").mark_area(color=colour, opacity=0.16).encode(
            y=alt.Y("low:Q", title=""), y2="high:Q"
        )
        for arm, colour in arms.items()
    ]  # fmt: skip
    legend = alt.Legend(symbolType="stroke", symbolSize=300, symbolStrokeWidth=2.5)
    line = base.encode(color=alt.Color("arm:N", scale=colours, legend=legend), y=effect)
    chosen = base.transform_filter("datum.chosen && datum.arm == 'cleaned'").encode(y=effect)
    return spec(
        lines,
        280,
        rule(y=0),
        *bands,
        line.mark_line(strokeWidth=2.5).encode(strokeDash=dashes),
        line.mark_point(filled=True, size=30, opacity=1).encode(tooltip=hover),
        chosen.mark_point(size=260, strokeWidth=2.5, opacity=1, filled=False, color=INK),
        chosen.mark_text(dy=-18, text="chosen"),
    )


def faithfulness(lines: Records) -> dict[str, Any]:
    """Effects foretold by influence against those of really leaving rows out; on the dashed line both are the same."""
    names = {"row": "one row", "subset": "a set of rows"}
    data = [{**one, "what": names[one["kind"]]} for one in lines if one["kind"] in names]
    ends = [one[side] for one in data for side in ("predicted", "real")]
    low, high = min(ends), max(ends)
    kinds = [name for name in names.values() if any(one["what"] == name for one in data)]
    points = alt.Chart().mark_point(filled=True, size=60, opacity=0.8).encode(
        x=alt.X("predicted:Q", title="predicted rise of the reference loss", axis=plain_axis(tickCount=5)),
        y=alt.Y("real:Q", title="real rise", axis=plain_axis(tickCount=5)),
        color=alt.Color("what:N", scale=alt.Scale(domain=kinds, range=[ACCENT, "var(--rare)"])),
        shape=alt.Shape("what:N", scale=alt.Scale(domain=kinds)),
        tooltip=[
            alt.Tooltip("what:N", title="left out"),
            alt.Tooltip("row_id:N", title="row"),
            "rows:Q",
            alt.Tooltip("predicted:Q", format=".3~e"),
            alt.Tooltip("real:Q", format=".3~e"),
        ],
    )  # fmt: skip
    return spec(data, 300, rule(x=low, y=low, x2=high, y2=high), points)
