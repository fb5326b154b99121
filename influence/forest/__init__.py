"""Bagged trees: every tree that did not see a row says what a model without the row thinks of it.

Bagging is training on random subsets for free, so in-bag against out-of-bag trees give each row's memorization
(Feldman & Zhang 2020), and taking a row out of its leaves, the trees' structure fixed, is a closed formula. Read in
this order: `bags` (who is drawn together), `trees` (how one grows), `leaves` (what a leaf says without a row),
`scores` (every row with and without itself), `reference` (influence on held-out rows), `totals` (added up over
trees), `proxy` (all of it as one proxy).
"""

from culpa.influence.forest.proxy import FittedForest, fit_forest

__all__ = ["FittedForest", "fit_forest"]
