-- The most suspicious flagged rows, with what becomes of them.
SELECT j.*, f.outcome, f.decision, f.new_label, f.held_back
FROM judged j LEFT JOIN fates f ON f.row_id = j.row_id
WHERE j.corner <> 'neither' OR j.tag <> 'neither'
ORDER BY j.suspicion DESC NULLS LAST, j.row_id LIMIT $most
