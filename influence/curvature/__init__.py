"""What divides gradients: the curvature of the mean training loss of a torch model, in forms from cheap to exact.

`fit_...` is the costly step over the training rows and returns a fitted curvature; `solve` is the cheap one. Damping is
added to the curvature and recorded. Read in this order: `curvature` (what every form promises), `identity`, `diagonal`,
`dense` (the whole Gauss-Newton matrix, for small models), `kronecker` (K-FAC and EK-FAC, for large ones) on its
`bases`; `passes` and `joined` are what they are fitted with.
"""

from culpa.influence.curvature.curvature import Curvature, Fit
from culpa.influence.curvature.dense import fit_dense
from culpa.influence.curvature.diagonal import fit_diagonal
from culpa.influence.curvature.identity import Identity, fit_identity
from culpa.influence.curvature.kronecker import fit_ekfac, fit_kfac

__all__ = ["Curvature", "Fit", "Identity", "fit_dense", "fit_diagonal", "fit_ekfac", "fit_identity", "fit_kfac"]
