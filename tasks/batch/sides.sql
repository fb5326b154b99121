-- Sorts the rows of a batch and of its data set into temporary tables, in a connection with the current views:
-- known = rows of the batch that were scored before with this very content, and the run whose scores they carry on;
-- accepted = the data set's other present rows that a publish would keep, under the labels that people gave them;
-- refused = those that it would drop;
-- fresh = the rows to be scored; beside = the accepted rows that stand beside them, drawn by the hash of their ids.
-- Placeholders: run, dataset, known (known_before.sql or known_since.sql), least and times (how many stand beside).
CREATE OR REPLACE TEMP TABLE known AS {known};

CREATE OR REPLACE TEMP TABLE fresh AS
SELECT r.row_id, r.row_hash, r.given_label AS label, r.duplicate_group, r.is_reference, r.run_id, r.position
FROM rows r ANTI JOIN known k ON k.row_id = r.row_id
WHERE r.run_id = {run} AND r.given_label IS NOT NULL;

-- Rows that come again with another content, or without a label, stand for themselves no more; those that are known do.
-- IN, unlike a join, always keeps the smaller side in memory: that of the batch.
CREATE OR REPLACE TEMP TABLE present AS
SELECT v.row_id, v.row_hash, CASE WHEN v.outcome = 'relabelled' THEN v.new_label ELSE v.given_label END AS label, v.outcome,
       v.duplicate_group + 1000000000000 * u.turn AS duplicate_group, v.is_reference, v.run_id, v.position
FROM verdicts v
JOIN current_runs u ON u.run_id = v.run_id
WHERE u.dataset = {dataset} AND v.given_label IS NOT NULL
  AND (v.run_id <> {run} OR v.row_id IN (SELECT row_id FROM known))
  AND v.row_id NOT IN (SELECT row_id FROM rows WHERE run_id = {run} AND row_id NOT IN (SELECT row_id FROM known))
  AND (v.run_id, v.row_id) NOT IN (SELECT (run_id, row_id) FROM superseded_rows);

CREATE OR REPLACE TEMP VIEW accepted AS SELECT * EXCLUDE outcome FROM present WHERE outcome <> 'dropped';
CREATE OR REPLACE TEMP VIEW refused AS SELECT * EXCLUDE outcome FROM present WHERE outcome = 'dropped';

CREATE OR REPLACE TEMP TABLE beside AS
SELECT * FROM accepted
ORDER BY md5(row_id), row_id
LIMIT (SELECT greatest({least}, {times} * count(*)) FROM fresh);
