"""k nearest neighbours: what the rows most alike say of a row that is left out itself.

Read in this order: `points` (who votes), `search` (the nearest, and the weight of their votes), `scores` (every row
with and without itself), `shapley` (what each row is worth to one reference row), `reference` (and to many), `proxy`
(all of it as one proxy).
"""

from culpa.influence.neighbors.proxy import FittedNeighbors, fit_neighbors

__all__ = ["FittedNeighbors", "fit_neighbors"]
