-- The tagged rows of one run, the most suspicious first.
SELECT s.row_id, s.given_label, s.suggested_label, s.probability_wrong, s.suspicion, s.memorization, s.influence,
       coalesce(t.tag, t.corner) AS tag, t.reason
FROM tags t JOIN scores s ON s.run_id = t.run_id AND s.row_id = t.row_id
WHERE t.run_id = $run_id AND (t.corner <> 'neither' OR coalesce(t.tag, 'neither') <> 'neither')
ORDER BY s.suspicion DESC NULLS LAST, s.row_id LIMIT $most
