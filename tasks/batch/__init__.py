"""Batches: new rows come onto a data set that was cleaned before, at the price of these rows alone.

Read in this order: `dataset` (what a batch comes onto, and how its input must look), `sides` (which rows are new, and
the accepted ones that stand beside them), `base` (the model of all accepted rows, kept beside the store), `score`
(the scores of the new rows), `carried` (those of rows that were scored before), `drift` (what changed since).
"""
