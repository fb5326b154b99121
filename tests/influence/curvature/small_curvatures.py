"""Every curvature fitted on a small model, by name; the table that the laws run over."""

import torch

from culpa.influence.curvature import Identity, fit_dense, fit_diagonal, fit_ekfac, fit_kfac
from culpa.influence.gradients import Classification, capture

CURVATURES = {
    "identity": lambda *fitted, **options: Identity(),
    "diagonal": fit_diagonal,
    "dense": fit_dense,
    "kfac": fit_kfac,
    "ekfac": fit_ekfac,
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
