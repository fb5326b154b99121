-- Every decision on some rows, the newest first, and how each stands now.
SELECT d.row_id, d.decision_id, d.decision, d.new_label, d.reviewed_by, d.reviewed_at, d.note, d.row_hash,
       CASE WHEN c.decision_id IS DISTINCT FROM d.decision_id THEN 'superseded'
            WHEN c.state = 'valid' THEN 'counts'
            ELSE c.state END AS standing
FROM grounded_decisions d
SEMI JOIN (SELECT unnest($row_ids) AS row_id) asked ON asked.row_id = d.row_id
LEFT JOIN current_decisions c ON c.dataset = d.dataset AND c.row_id = d.row_id
WHERE d.dataset = $dataset
ORDER BY d.row_id, d.decision_id DESC
