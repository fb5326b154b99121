"""Gradients of single rows of a torch model, in factors and never written out unless that is smaller.

A row's gradient in a Linear, Conv1d or Conv2d layer is a sum over positions of errors x inputs', in an Embedding a sum
over tokens of one error at the token's place. Both factors come out of one forward and one backward pass of the
unmodified module. Read in this order: `rowwise` (what every block of gradients can do), `outer`, `lookups` and
`written` (its three forms), `blocks` (which layer gives which), `capture` (the two passes), `batches` (rows in order),
`modes` (as in evaluation), `objective` (each row's loss and what curves it), `targets` (what of a reference row is
asked about).
"""

from culpa.influence.gradients.batches import in_order
from culpa.influence.gradients.capture import Captured, Losses, capture, captures
from culpa.influence.gradients.lookups import Lookups
from culpa.influence.gradients.objective import Classification, Objective, Regression
from culpa.influence.gradients.outer import Outer
from culpa.influence.gradients.rowwise import Rowwise
from culpa.influence.gradients.targets import Target, target_losses
from culpa.influence.gradients.written import Written

__all__ = [
    "Captured",
    "Classification",
    "Lookups",
    "Losses",
    "Objective",
    "Outer",
    "Regression",
    "Rowwise",
    "Target",
    "Written",
    "capture",
    "captures",
    "in_order",
    "target_losses",
]
