"""Softmax and ridge regression whose every row can be taken out in closed form.

Read in this order: `heads` (what a loss is), `fit` (the optimum), `products` (how many quadratic forms become one
matrix product), `exact` and `diagonal` (the curvature), `choose` (which of them fits in memory), `without` (the
logits without a row), `crossed` (the same by folds, where no exact curvature fits), `reference` (influence on held-out
rows), `removal` (the same to second order), `strength` (the L2 penalty), `proxy` (all of it as one proxy).
"""

from culpa.influence.linear.proxy import FittedLinear, fit_linear

__all__ = ["FittedLinear", "fit_linear"]
