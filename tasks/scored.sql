-- A run's scores as the table `scores` has them: the numbers of the relation scores_file beside what the run knows of its
-- labelled rows.
SELECT r.run_id, r.row_id, r.row_hash, r.given_label, r.duplicate_group, {columns}
FROM scores_file p
JOIN rows r ON r.row_id = p.row_id
WHERE r.run_id = {run} AND r.given_label IS NOT NULL
