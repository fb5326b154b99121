-- What became of one row, run by run, the newest first.
SELECT run_id, created_at, why, content_changed
FROM row_history
WHERE dataset = $dataset AND row_id = $row_id
ORDER BY created_at DESC, run_id
