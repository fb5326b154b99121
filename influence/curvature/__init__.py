"""What divides gradients: the curvature of the mean training loss of a torch model, in forms from cheap to exact.

`fit_...` is the costly step over the training rows and returns a fitted curvature; `solve` is the cheap one. Damping is
added to the curvature and recorded. Read in this order: `curvature` (what every form promises), `identity`, `dense`
(the whole Gauss-Newton matrix, for small models), `kronecker` (K-FAC and EK-FAC, for large ones).
"""

from culpa.influence.curvature.curvature import Curvature
from culpa.influence.curvature.dense import fit_dense
from culpa.influence.curvature.identity import Identity
from culpa.influence.curvature.kronecker import fit_ekfac, fit_kfac

__all__ = ["Curvature", "Identity", "fit_dense", "fit_ekfac", "fit_kfac"]
