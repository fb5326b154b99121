"""The mathematics of blame: which training rows help, and which harm.

One formula: influence(i, v) = < gradient of the loss at reference row v, H^-1 gradient of the loss at training row i
>, with H the curvature of the summed training loss, so that the division by the number of rows is inside it.

Sign, for every method of this package: **positive helps**. Removing training row i raises the loss of v by about
influence(i, v). Negative: row i harms v. Self-influence is influence(i, i) >= 0, so its sign says nothing. Over a mean
of reference rows single effects nearly cancel, and the linear proxy then takes the second order in (`linear.removal`).

The calls: `assess` (train, score, evidence), `features` (columns to a matrix); the proxies `linear`, `forest`,
`neighbors`, `neural` (torch networks), `estimators` (scikit-learn's); `suspicion` (contradicted labels). For networks
`gradients` (of single rows, in factors), `curvature`, `network` (how one is trained), `attribution` (every method, by
name), `words` and `aggregate` (many scores made one). README.md in this folder lists the methods. Importing this
package imports neither torch nor an orchestrator.
"""
