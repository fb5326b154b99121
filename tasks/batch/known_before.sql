-- Of a batch that was not flagged yet: its labelled rows that a current run has scored, with the same content, unless that
-- run's rule would drop them and no gate let them go: they are scored, and judged, with this batch.
SELECT r.row_id, c.run_id AS from_run
FROM rows r
JOIN current_rows c ON c.dataset = {dataset} AND c.row_id = r.row_id AND c.row_hash = r.row_hash AND c.run_id <> {run}
JOIN scores s ON s.run_id = c.run_id AND s.row_id = c.row_id
JOIN tags t ON t.run_id = c.run_id AND t.row_id = c.row_id
LEFT JOIN held_back h ON h.run_id = c.run_id AND h.row_id = c.row_id
WHERE r.run_id = {run} AND r.given_label IS NOT NULL
  AND NOT (t.droppable AND (h.row_id IS NOT NULL OR c.run_id NOT IN (SELECT run_id FROM gates)))
