-- The scored rows of one run with what the rule says of them.
CREATE OR REPLACE TEMP TABLE judged AS
SELECT s.row_id, s.row_hash, s.given_label, s.suggested_label, s.suggested_probability, s.suspicion, s.probability_wrong,
       s.memorization, s.influence, s.influence_se, s.influence_p_value, s.probability_without,
       coalesce(t.corner, 'neither') AS corner, coalesce(t.tag, t.corner, 'neither') AS tag, t.reason,
       coalesce(t.harmful, false) AS harmful, coalesce(t.droppable, false) AS droppable
FROM scores s LEFT JOIN tags t ON t.run_id = s.run_id AND t.row_id = s.row_id
WHERE s.run_id = $run_id
