"""The charts that a run has numbers for, each with its finding in words."""

from collections.abc import Iterator

from culpa.tasks.report import findings
from culpa.tasks.report.drawing import Drawing
from culpa.tasks.report.figures import Figures
from culpa.tasks.report.label_charts import classes, confusion
from culpa.tasks.report.proof_charts import calibration, curve, faithfulness
from culpa.tasks.report.score_charts import corners, histogram

__all__ = ["draw"]


def draw(figures: Figures) -> dict[str, Drawing]:
    """The charts by name."""
    return {one.name: one for drawings in (_of_scores, _of_labels, _of_proof) for one in drawings(figures)}


def _of_scores(figures: Figures) -> Iterator[Drawing]:
    if figures.points:
        yield Drawing("corners", "Memorization against influence", findings.of_points(figures), corners(figures))
    for score, title in findings.SCORES.items():
        if figures.histograms[score]:
            yield Drawing(score, title, findings.of_histogram(figures, score), histogram(figures, score))


def _of_labels(figures: Figures) -> Iterator[Drawing]:
    if figures.confusion:
        drawn = confusion(figures.confusion, figures.run.classes)
        yield Drawing("confusion", "Given label against suggested label", findings.of_confusion(figures), drawn)
    if figures.classes:
        yield Drawing("classes", "Rows of each class", findings.of_classes(figures), classes(figures))


def _of_proof(figures: Figures) -> Iterator[Drawing]:
    if figures.curve:
        title = "Effect on the loss of the choosing rows, round by round"
        yield Drawing("curve", title, findings.of_curve(figures), curve(figures.curve))
    if figures.calibration:
        title = "Expected share of wrong labels by how many rows are reviewed"
        yield Drawing("calibration", title, findings.of_calibration(figures), calibration(figures.calibration))
    if "spearman" in figures.removals and any(one["kind"] != "dropped" for one in figures.faithfulness):
        title = "Predicted against real effect of leaving rows out"
        yield Drawing("faithfulness", title, findings.of_removals(figures), faithfulness(figures.faithfulness))
