-- Every decision on one row, the oldest first, and how it stands now.
SELECT d.decision_id, d.decision, d.new_label, d.reviewed_by, d.reviewed_at, d.note,
       CASE WHEN c.decision_id IS DISTINCT FROM d.decision_id THEN 'superseded'
            WHEN c.stale THEN 'stale: the content has changed since'
            ELSE c.state END AS standing
FROM grounded_decisions d
LEFT JOIN current_decisions c ON c.dataset = d.dataset AND c.row_id = d.row_id
WHERE d.dataset = $dataset AND d.row_id = $row_id
ORDER BY d.reviewed_at, d.decision_id
