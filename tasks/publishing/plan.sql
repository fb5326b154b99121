-- What a publish of one run will do with every row; the connection's own, so that files and store tell the same. Rows come in
-- the order of their places as they lie in the store; to sort a million of them here would take memory that grows with them.
CREATE OR REPLACE TEMP TABLE plan AS
SELECT position, row_id, row_hash, given_label, is_reference, tag, reason, outcome,
       decision_id, decision, new_label, {checksum} AS checksum
FROM verdicts
WHERE run_id = {run}
