-- Influence on each set of reference rows; the first set judges, and its influence stands among the scores.
SELECT i.reference, count(*) AS rows, count(*) FILTER (i.influence < 0) AS negative,
       sum(i.influence) FILTER (j.droppable) AS of_droppable,
       count(*) FILTER (i.influence < 0 AND j.droppable) AS negative_droppable,
       count(*) FILTER (j.droppable) AS droppable,
       corr(i.influence, j.influence) AS agreement
FROM (
    SELECT row_id, reference, influence FROM reference_influences WHERE run_id = $run_id
    UNION ALL
    SELECT row_id, (SELECT coalesce(reference_sets->0->>'name', 'trusted') FROM runs WHERE run_id = $run_id), influence
    FROM judged
    WHERE EXISTS (SELECT 1 FROM reference_influences WHERE run_id = $run_id)
) i JOIN judged j ON j.row_id = i.row_id
WHERE isfinite(i.influence)
GROUP BY i.reference ORDER BY i.reference
