"""What divides gradients: the curvature of the mean training loss of a torch model, in forms from cheap to exact.

`fit_...` is the costly step over the training rows and returns a fitted curvature; `solve` is the cheap one. Damping is
added to the curvature and recorded. `CURVATURES` names them all. Read in this order:

- `curvature` (what every form promises), `identity`, `diagonal`;
- `passes` (over the training rows), `joined` (layers end to end), `dense` (all of Gauss-Newton, small models);
- `bases` and `kronecker` (K-FAC and EK-FAC, for large models);
- `projection` and `projected` (LoGra: the whole matrix on few axes of each layer);
- `datainf` (the mean of the inverses);
- `linear_layer` and `exact` (the Hessian of a linear model or a last layer);
- `layout`, `products`, `descent` and `conjugate` (conjugate gradients on Gauss-Newton or Hessian);
- `stored` (a fitted curvature as plain tensors, and back).
"""

from collections.abc import Mapping
from types import MappingProxyType

from culpa.influence.curvature.conjugate import fit_conjugate
from culpa.influence.curvature.curvature import Curvature, Fit
from culpa.influence.curvature.datainf import fit_datainf
from culpa.influence.curvature.dense import fit_dense
from culpa.influence.curvature.diagonal import fit_diagonal
from culpa.influence.curvature.exact import fit_exact
from culpa.influence.curvature.identity import Identity, fit_identity
from culpa.influence.curvature.kronecker import fit_ekfac, fit_kfac
from culpa.influence.curvature.projected import fit_projected

__all__ = [
    "CURVATURES",
    "Curvature",
    "Fit",
    "Identity",
    "fit_conjugate",
    "fit_datainf",
    "fit_dense",
    "fit_diagonal",
    "fit_ekfac",
    "fit_exact",
    "fit_identity",
    "fit_kfac",
    "fit_projected",
]

CURVATURES: Mapping[str, Fit] = MappingProxyType(
    {
        "identity": fit_identity,
        "diagonal": fit_diagonal,
        "dense": fit_dense,
        "exact": fit_exact,
        "kfac": fit_kfac,
        "ekfac": fit_ekfac,
        "conjugate": fit_conjugate,
        "datainf": fit_datainf,
        "projected": fit_projected,
    }
)
