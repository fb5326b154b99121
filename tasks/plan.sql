-- What a publish of one run will do with every row; the connection's own, so that files and store tell the same.
CREATE OR REPLACE TEMP TABLE plan AS
SELECT position, row_id, row_hash, given_label, is_reference, tag, reason, outcome,
       decision_id, decision, new_label, {checksum} AS checksum
FROM verdicts
WHERE run_id = {run}
ORDER BY position
