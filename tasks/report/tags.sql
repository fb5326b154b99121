-- Rows by tag, the corners in their usual order.
SELECT tag, corner, count(*) AS rows, count(*) FILTER (droppable) AS droppable
FROM judged GROUP BY tag, corner
ORDER BY list_position(['mislabeled', 'systematic_error', 'rare_but_useful', 'neither'], corner), tag
