-- What the gate judges: the rows that the rule may drop and nobody decided on, the surest first; and what people decided.
-- Rows that a batch carries on were judged with the run that scored them.
SELECT v.row_id, v.row_hash, v.is_reference,
       coalesce(v.decision, 'defer') <> 'defer' AS decided,
       v.droppable AND NOT decided AND NOT v.is_reference AND c.row_id IS NULL AS proposed,
       coalesce(v.decision = 'drop', false) AS dropped,
       CASE WHEN v.decision = 'relabel' THEN v.new_label END AS new_label
FROM verdicts v
JOIN scores s ON s.run_id = v.run_id AND s.row_id = v.row_id
LEFT JOIN carried c ON c.run_id = v.run_id AND c.row_id = v.row_id
WHERE v.run_id = $run_id AND (v.droppable OR v.decision IS NOT NULL OR v.is_reference)
ORDER BY s.probability_wrong DESC NULLS LAST, s.suspicion DESC NULLS LAST, v.row_id
