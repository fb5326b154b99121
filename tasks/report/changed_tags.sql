-- Rows that two runs both scored and tag differently; those that one calls harmful and
-- the other does not come first; `changed` and `shared` are the totals.
WITH tagged AS (
    SELECT s.run_id, s.row_id, coalesce(t.tag, t.corner, 'neither') AS tag, coalesce(t.harmful, false) AS harmful
    FROM scores s LEFT JOIN tags t ON t.run_id = s.run_id AND t.row_id = s.row_id
    WHERE s.run_id IN ($one, $other)
),
pairs AS (
    SELECT a.row_id, a.tag AS one, b.tag AS other, a.harmful <> b.harmful AS decisive, count(*) OVER () AS shared
    FROM tagged a JOIN tagged b ON b.row_id = a.row_id WHERE a.run_id = $one AND b.run_id = $other
)
SELECT row_id, one, other, shared, count(*) FILTER (one <> other) OVER () AS changed
FROM pairs ORDER BY one = other, NOT decisive, row_id LIMIT $most
