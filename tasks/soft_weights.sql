-- The weight of every row that a publish keeps, in the input's order: 1 where a person kept or relabelled it, NULL without a
-- label. Placeholder: {run}.
SELECT p.row_id, CASE WHEN p.outcome IN ('kept', 'relabelled') THEN 1.0 ELSE s.weight END AS weight, p.checksum
FROM plan p LEFT JOIN scores s ON s.run_id = {run} AND s.row_id = p.row_id
WHERE p.outcome <> 'dropped'
ORDER BY p.position
