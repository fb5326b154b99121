-- Rows with exactly equal features and different labels, the largest groups first; `groups` and `members_of_all` are totals.
WITH labels AS (
    SELECT duplicate_group, given_label, count(*) AS rows, list(row_id ORDER BY position)[:4] AS row_ids
    FROM rows WHERE run_id = $run_id AND given_label IS NOT NULL GROUP BY ALL
)
SELECT sum(rows)::BIGINT AS members,
       list({'label': given_label, 'rows': rows, 'row_ids': row_ids} ORDER BY rows DESC, given_label)[:6] AS labels,
       count(*) OVER () AS groups, (sum(sum(rows)) OVER ())::BIGINT AS members_of_all
FROM labels GROUP BY duplicate_group HAVING count(*) > 1
ORDER BY members DESC, duplicate_group LIMIT $most
