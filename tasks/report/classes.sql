-- Labelled rows of each class before and after, people's new labels applied.
SELECT label, sum(before) AS before, sum(after) AS after
FROM (
    SELECT given_label AS label, 1 AS before, 0 AS after FROM fates WHERE given_label IS NOT NULL
    UNION ALL
    SELECT CASE WHEN outcome = 'relabelled' THEN new_label ELSE given_label END, 0, 1
    FROM fates WHERE given_label IS NOT NULL AND outcome <> 'dropped'
)
GROUP BY label ORDER BY before DESC, label
