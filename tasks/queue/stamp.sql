-- Changes whenever the queue (a run was flagged) or its decisions do.
SELECT (SELECT max(flagged_at) FROM runs WHERE dataset = $dataset), (SELECT coalesce(max(decision_id), 0) FROM decisions)
