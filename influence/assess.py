"""The front of the mathematics, which `culpa.tasks` calls: train proxies on rows, score the rows, find evidence.

>>> import numpy as np
>>> from culpa.influence.assess import score_rows, train_proxies
>>> from culpa.influence.rows import Rows
>>> x = np.random.default_rng(0).normal(size=(80, 3)).astype(np.float32)
>>> labels = (x[:, 0] > 0).astype(np.int64)
>>> labels[:4] = 1 - labels[:4]  # wrong labels
>>> rows = Rows(x, labels, classes=2, groups=np.arange(80))
>>> scored = score_rows(train_proxies(rows, proxy="linear", seed=0), rows, reference=None)
>>> sorted(np.argsort(-scored.scores["suspicion"])[:2] < 10)
[np.True_, np.True_]
"""

from culpa.influence.evidence import Evidence, find_evidence
from culpa.influence.scoring import Scored, score_rows
from culpa.influence.training import Progress, Trained, train_proxies

__all__ = ["Evidence", "Progress", "Scored", "Trained", "find_evidence", "score_rows", "train_proxies"]
