"""Every curvature fitted on a small model, by name; the table that the laws run over."""

from dataclasses import dataclass
from functools import partial

import torch

from culpa.influence.curvature import (
    Curvature,
    Identity,
    fit_conjugate,
    fit_datainf,
    fit_dense,
    fit_diagonal,
    fit_ekfac,
    fit_exact,
    fit_kfac,
    fit_projected,
)
from culpa.influence.gradients import Classification, capture


@dataclass(frozen=True)
class LastLayer:
    """A curvature of the last layer, H^-1 nought on all others."""

    inner: Curvature

    @property
    def damping(self):
        return self.inner.damping

    def solve(self, gradients):
        solved = self.inner.solve(self.last(gradients))
        return {name: solved.get(name, torch.zeros_like(written)) for name, written in gradients.items()}

    def squares(self, gradients):
        return self.inner.squares(self.last(gradients))

    def lengths(self, gradients):
        return self.inner.lengths(self.last(gradients))

    def last(self, gradients):
        return {name: gradients[name] for name in self.inner.damping}


def fit_exact_on_last(model, objective, batches, **options):
    """The exact curvature needs the last layer alone."""
    last = [name for name, part in model.named_modules() if list(part.parameters(recurse=False))][-1]
    return LastLayer(fit_exact(model, objective, batches, **{"layers": [last], **options}))


def fit_conjugate_tightly(model, objective, batches, **options):
    """Down to rounding, so that the laws need no tolerance of their own for it."""
    tolerance = 1e-13 if next(model.parameters()).dtype == torch.float64 else 1e-5
    return fit_conjugate(model, objective, batches, tolerance=tolerance, **options)


CURVATURES = {
    "identity": lambda *fitted, **options: Identity(),
    "diagonal": fit_diagonal,
    "dense": fit_dense,
    "exact": fit_exact_on_last,
    "kfac": fit_kfac,
    "ekfac": fit_ekfac,
    "conjugate": fit_conjugate_tightly,
    "datainf": fit_datainf,
    "projected": partial(fit_projected, widths=(5, 3), sketch=12),
}


def joined(captured):
    """Written-out gradients over all layers, (rows, parameters)."""
    return torch.cat([layer.written_out() for layer in captured.layers.values()], dim=1)


def gauss_newton(model, batch, objective=None):
    """J' S J / rows, by autograd over all parameters: layer by layer as gradients are laid out."""
    objective = objective or Classification()
    total = 0
    with torch.no_grad():
        model.eval()
        p = model(batch[0]).softmax(1)
    for label in range(p.shape[1]):
        labels = torch.full((len(p),), label)
        gradients = joined(capture(model, objective.losses, (batch[0], labels)))
        total = total + gradients.T @ (p[:, label : label + 1] * gradients)
    return total / len(p)
