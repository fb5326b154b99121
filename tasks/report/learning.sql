-- How rows of each tag were learned over the epochs, each proxy by itself.
SELECT l.proxy, j.tag, count(*) AS rows,
       median(l.first_learned) AS first_learned,
       avg(CASE WHEN isinf(l.first_learned) THEN 1 ELSE 0 END) AS never_learned,
       avg(l.forgetting_events) FILTER (isfinite(l.forgetting_events)) AS forgetting_events,
       avg(l.mean_probability) AS mean_probability, avg(l.probability_deviation) AS probability_deviation,
       avg(l.area_under_margin) AS area_under_margin, avg(l.mean_loss) AS mean_loss
FROM learning l JOIN judged j ON j.row_id = l.row_id
WHERE l.run_id = $run_id
GROUP BY l.proxy, j.tag, j.corner
ORDER BY l.proxy, list_position(['mislabeled', 'systematic_error', 'rare_but_useful', 'neither'], j.corner), j.tag
