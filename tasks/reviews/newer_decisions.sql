-- The latest decision on a proposed row that is newer than the one that a person saw, if there is one.
SELECT d.row_id, d.reviewed_by
FROM grounded_decisions d JOIN proposed p ON p.row_id = d.row_id AND p.dataset = d.dataset
WHERE d.decision_id > $decision_id
ORDER BY d.decision_id DESC LIMIT 1
