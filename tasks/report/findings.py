"""What each chart shows, in one sentence, for those who cannot see it and those who have no time."""

from typing import Any

from culpa.tasks.report.figures import Figures
from culpa.tasks.report.wording import between, count, decimal, share, spaced

__all__ = ["at_budget", "headline_effects", "of_calibration", "of_classes", "of_confusion", "of_curve", "of_histogram",
           "of_points", "of_removals", "of_self_test"]  # fmt: skip

CLEANED = "cleaned less all"
SCORES = {
    "suspicion": "Suspicion: how strongly the other rows speak against a row's label (log-odds)",
    "probability_wrong": "Probability that the label is wrong",
    "memorization": "Memorization: how much the model needs the row itself to get it right",
}


def headline_effects(figures: Figures) -> list[dict[str, Any]]:
    """The effect of the cleaning on log-loss and accuracy (regression: on the errors), by the gate's first judge."""
    wanted = ("log_loss", "accuracy") if figures.run.classes else ("rmse", "mae")
    found = [one for one in figures.effects if one["comparison"] == CLEANED and one["metric"] in wanted]
    seen: dict[str, dict[str, Any]] = {}
    for one in found:
        seen.setdefault(one["metric"], one)
    return [seen[metric] for metric in wanted if metric in seen]


def of_points(figures: Figures) -> str:
    """The scatter: what is shown of how many rows, and how they lie in the corners."""
    shown, rows = len(figures.points), figures.scored
    corners = ", ".join(f"{count(one['rows'])} {spaced(one['tag'])}" for one in figures.tags if one["tag"] != "neither")
    sample = "Every row is a point" if shown == rows else f"The {count(shown)} points are a sample"
    named = f": {corners}" if corners else ""
    return f"{count(figures.flagged)} of {count(rows)} labelled rows are flagged{named}. {sample}."


def of_histogram(figures: Figures, score: str) -> str:
    """One score's distribution: how much of it lies above its threshold."""
    bins, threshold = figures.histograms[score], figures.thresholds[score]
    rows, harmful = sum(one["rows"] for one in bins), sum(one["harmful"] for one in bins)
    if threshold is None:
        return f"{count(rows)} rows have it; {count(harmful)} of them are called harmful, so no threshold is drawn."
    above = sum(one["rows"] for one in bins if one["from"] + one["to"] >= 2 * threshold)
    return (
        f"About {count(above)} of {count(rows)} rows lie from the threshold {decimal(threshold)} on; "
        f"{count(harmful)} rows are called harmful."
    )


def at_budget(figures: Figures, budget: int = 100) -> str:
    """What a person who reviews the most suspicious rows may expect, at the known budget next to the one asked for."""
    line = min(figures.calibration, key=lambda one: abs(one["budget"] - budget))
    ends = between(line["precision_low"], line["precision_high"], lambda end: count(end * line["budget"]))
    spread = f" (95 % interval {ends})" if ends else ""
    return (
        f"If a person reviews the top {count(line['budget'])}, about {count(line['wrong_expected'])} of them are wrong"
        f"{spread}."
    )


def of_calibration(figures: Figures) -> str:
    """The curve of expected precision, from its first budget to its last."""
    first, last = figures.calibration[0], figures.calibration[-1]
    return (
        f"{at_budget(figures)} The expected share of wrong labels goes from {share(first['precision_expected'])} "
        f"in the top {count(first['budget'])} "
        f"to {share(last['precision_expected'])} in the top {count(last['budget'])}."
    )


def of_curve(figures: Figures) -> str:
    """The stopping point, and what as many random rows do."""
    chosen = [one for one in figures.curve if one["chosen"] and one["arm"] == "cleaned"]
    if not chosen:
        return "No stopping point was chosen: removing nothing was no worse than any round."
    removed = chosen[0]["removed"]
    if not removed:
        return "The stopping point is to remove nothing: no round was better beyond chance."
    at_random = [one for one in figures.curve if one["arm"] == "random" and one["removed"] == removed]
    beside = f"; after as many at random it {_moves(at_random[0]['effect'])}" if at_random else ""
    return (
        f"The stopping point is {count(removed)} rows: there the loss on the choosing rows "
        f"{_moves(chosen[0]['effect'])}{beside}."
    )


def of_confusion(figures: Figures) -> str:
    """The pair of labels that is mixed up most."""
    first, rows = figures.confusion[0], sum(one["rows"] for one in figures.confusion)
    return (
        f"For {count(rows)} harmful rows another label fits better; most often “{_short(first['suggested'])}” "
        f"instead of “{_short(first['given'])}”, in {count(first['rows'])} of them."
    )


def of_classes(figures: Figures) -> str:
    """The class that loses the largest share."""
    worst = min(figures.classes, key=lambda one: one["after"] / max(1, one["before"]))
    lost = 1 - worst["after"] / max(1, worst["before"])
    if lost <= 0:
        return "No class loses rows."
    verb = "loses" if figures.published else "would lose"
    return f"Class “{_short(worst['label'])}” {verb} most: {share(lost)} of its {count(worst['before'])} rows."


def of_removals(figures: Figures) -> str:
    """How well influence foretold what removals really did."""
    said = figures.removals
    ends = between(said.get("spearman_low"), said.get("spearman_high"), lambda end: decimal(end, 2))
    spread = f" (95 % interval {ends})" if ends else ""
    what = "sets of rows" if said.get("kind") == "subset" else "rows"
    return (
        f"{count(said['removals'])} {what} were really left out, and the {said.get('proxy', 'proxy')} model trained "
        f"again: predicted and real effect agree in order by {decimal(said['spearman'], 2)}{spread} "
        f"and in sign in {share(said.get('sign_agreement'))} of the cases."
    )


def of_self_test(figures: Figures) -> str:
    """Copies of reference rows, with their label and with a wrong one."""
    said = figures.self_test
    return (
        f"{'Passed' if said['passed'] else 'Failed'}: of copies of {count(said.get('reference_rows'))} reference rows, "
        f"{share(said.get('right_helpful'))} with the right label come out helpful and "
        f"{share(said.get('flipped_harmful'))} with a flipped label come out harmful."
    )


def _moves(effect: float) -> str:
    return f"{'falls' if effect >= 0 else 'rises'} by {decimal(abs(effect))}"


def _short(label: str, most: int = 60) -> str:
    text = " ".join(str(label).split())
    return text if len(text) <= most else text[: most - 1] + "…"
