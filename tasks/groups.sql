-- What the rows of each group do together, by a column of the data: the most harmful group first. Placeholders: {by}, {data}, {run}.
SELECT CAST(data.{by} AS VARCHAR) AS "group", count(*) AS rows,
       count(*) FILTER (t.corner <> 'neither') AS flagged, count(*) FILTER (t.droppable) AS droppable,
       avg(s.probability_wrong) AS probability_wrong, sum(s.influence) AS influence, avg(s.influence) AS mean_influence
FROM scores s
JOIN rows r ON r.run_id = s.run_id AND r.row_id = s.row_id
JOIN {data} data ON data.__row_id = r.row_id AND data.__row_hash = r.row_hash
LEFT JOIN tags t ON t.run_id = s.run_id AND t.row_id = s.row_id
WHERE s.run_id = {run}
GROUP BY ALL
ORDER BY influence NULLS LAST, "group";
