-- What a run says of some of its rows. Each table is narrowed down first, which the optimizer would not do by itself.
WITH asked AS (SELECT unnest($row_ids) AS row_id)
SELECT r.row_id, r.row_hash, r.given_label, r.is_reference, s.suggested_label, s.suggested_probability,
       s.suspicion, s.probability_wrong, s.probability_without, s.memorization, s.influence, s.influence_p_value,
       coalesce(t.tag, 'neither') AS tag, coalesce(t.corner, 'neither') AS corner, t.reason, coalesce(t.droppable, false) AS droppable,
       h.reason AS held_back
FROM (SELECT * FROM rows WHERE run_id = $run_id AND row_id IN (SELECT row_id FROM asked)) r
LEFT JOIN (SELECT * FROM scores WHERE run_id = $run_id AND row_id IN (SELECT row_id FROM asked)) s ON s.row_id = r.row_id
LEFT JOIN (SELECT * FROM tags WHERE run_id = $run_id AND row_id IN (SELECT row_id FROM asked)) t ON t.row_id = r.row_id
LEFT JOIN (SELECT * FROM held_back WHERE run_id = $run_id AND row_id IN (SELECT row_id FROM asked)) h ON h.row_id = r.row_id
