"""How many labels are wrong, and how many of the most suspicious: asked by planting wrong labels of our own.

`planting` changes a few labels, two ways, `again` has the changed rows scored anew and sees how deep among the others
each planted one lies, and `estimate` makes of that, and of the posterior, the share of wrong labels and the precision
at any budget, with intervals.
"""

from culpa.influence.calibration.again import Replanted, plant_and_score
from culpa.influence.calibration.estimate import (
    Estimate,
    budgets,
    evidenced,
    precision_at_budgets,
    precision_of_flagged,
    share,
    wrong_labels,
)
from culpa.influence.calibration.planting import Planting, plant

__all__ = [
    "Estimate",
    "Planting",
    "Replanted",
    "budgets",
    "evidenced",
    "plant",
    "plant_and_score",
    "precision_at_budgets",
    "precision_of_flagged",
    "share",
    "wrong_labels",
]
