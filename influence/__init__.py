"""The mathematics of blame: which training rows help, and which harm.

One formula: influence(i, v) = < gradient of the loss at reference row v, H^-1 gradient of the loss at training row i
>, with H the curvature of the summed training loss, so that the division by the number of rows is inside it.

Sign, for every method of this package: **positive helps**. Removing training row i raises the loss of v by about
influence(i, v). Negative: row i harms v. Self-influence is influence(i, i) >= 0, so its sign says nothing. Over a mean
of reference rows single effects nearly cancel, and the linear proxy then takes the second order in (`linear.removal`).

The calls: `assess` (train, score, evidence), `features` (columns to a matrix), `linear`, `forest`, `neighbors` (the
proxies), `suspicion` (contradicted labels); for torch models `gradients` (of single rows, in factors), `curvature`,
`networks` (influence through both), `tracin` (along the training) and `aggregate` (many scores made one). Importing
this package imports neither torch nor an orchestrator.
"""
