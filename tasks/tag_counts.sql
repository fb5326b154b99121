-- Rows per tag of one run, the most frequent first.
SELECT coalesce(tag, corner) AS tag, count(*) AS rows
FROM tags WHERE run_id = $run_id AND (corner <> 'neither' OR coalesce(tag, 'neither') <> 'neither')
GROUP BY 1 ORDER BY 2 DESC, 1
