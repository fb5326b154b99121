-- The points of the scatter: flagged rows up to $most_flagged, then others until there are $most, both by a hash of their
-- name, so that the same run gives the same points.
WITH flagged AS (
    SELECT *, 1 AS place FROM judged
    WHERE isfinite(memorization) AND isfinite(influence) AND corner <> 'neither'
    ORDER BY md5(row_id), row_id LIMIT $most_flagged
),
others AS (
    SELECT *, 0 AS place FROM judged
    WHERE isfinite(memorization) AND isfinite(influence) AND corner = 'neither'
    ORDER BY md5(row_id), row_id LIMIT $most
),
chosen AS (
    SELECT * FROM flagged UNION ALL SELECT * FROM others ORDER BY place DESC, md5(row_id), row_id LIMIT $most
)
SELECT row_id, given_label, suggested_label, probability_wrong, memorization, influence, corner
FROM chosen ORDER BY place, md5(row_id), row_id
