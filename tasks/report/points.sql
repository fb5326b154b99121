-- The points of the scatter: flagged rows up to $most_flagged, then others until there are $most, both by a hash of their
-- name, so that the same run gives the same points.
WITH ranked AS (
    SELECT *, corner <> 'neither' AS is_flagged,
           row_number() OVER (PARTITION BY is_flagged ORDER BY md5(row_id), row_id) AS place,
           count(*) FILTER (is_flagged) OVER () AS flagged
    FROM judged WHERE isfinite(memorization) AND isfinite(influence)
)
SELECT row_id, given_label, suggested_label, probability_wrong, memorization, influence, corner
FROM ranked
WHERE place <= CASE WHEN is_flagged THEN $most_flagged ELSE $most - least(flagged, $most_flagged) END
ORDER BY is_flagged, place
