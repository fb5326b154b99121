-- Of a batch that was flagged: the rows whose scores it carries on.
SELECT row_id, from_run FROM carried WHERE run_id = {run}
