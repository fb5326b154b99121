-- Every run, the newest first, with how many rows it tagged, dropped and relabelled.
SELECT u.run_id, u.dataset, u.state, u.source, u.row_count AS rows, u.unlabelled_count AS unlabelled,
       coalesce(t.flagged, 0) AS flagged, coalesce(t.droppable, 0) AS droppable,
       coalesce(o.dropped, 0) AS dropped, coalesce(o.relabelled, 0) AS relabelled,
       u.created_at, u.flagged_at, u.published_at, u.out, u.onto
FROM runs u
LEFT JOIN (
    SELECT run_id, count(*) FILTER (corner <> 'neither') AS flagged, count(*) FILTER (droppable) AS droppable
    FROM tags GROUP BY run_id
) t USING (run_id)
LEFT JOIN (
    SELECT run_id, count(*) FILTER (outcome = 'dropped') AS dropped, count(*) FILTER (outcome = 'relabelled') AS relabelled
    FROM outcomes GROUP BY run_id
) o USING (run_id)
ORDER BY u.created_at DESC, u.run_id
