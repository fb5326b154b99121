-- Rows with exactly equal features and different labels, the largest groups first; `groups` and `members_of_all` are totals.
WITH disagreeing AS (
    SELECT duplicate_group, count(*) AS members, count(*) OVER () AS groups, (sum(count(*)) OVER ())::BIGINT AS members_of_all
    FROM rows WHERE run_id = $run_id AND given_label IS NOT NULL
    GROUP BY duplicate_group HAVING min(given_label) <> max(given_label)
    ORDER BY members DESC, duplicate_group LIMIT $most
),
labels AS (
    SELECT duplicate_group, given_label, count(*) AS rows, list(row_id ORDER BY position)[:4] AS row_ids
    FROM rows SEMI JOIN disagreeing USING (duplicate_group)
    WHERE run_id = $run_id AND given_label IS NOT NULL GROUP BY ALL
)
SELECT d.members, d.groups, d.members_of_all,
       list({'label': l.given_label, 'rows': l.rows, 'row_ids': l.row_ids} ORDER BY l.rows DESC, l.given_label)[:6] AS labels
FROM disagreeing d JOIN labels l USING (duplicate_group)
GROUP BY d.duplicate_group, d.members, d.groups, d.members_of_all
ORDER BY d.members DESC, d.duplicate_group
