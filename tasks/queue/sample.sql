-- Labelled rows of a run, at most $most of them, the same ones each time, with their own columns.
SELECT r.row_id AS __row_id, r.given_label AS __given_label, {columns}
FROM (
    SELECT row_id, row_hash, given_label FROM rows WHERE run_id = $run_id AND given_label IS NOT NULL
    ORDER BY hash(row_id) LIMIT $most
) r
JOIN {data} data ON data.__row_id = r.row_id AND data.__row_hash = r.row_hash
