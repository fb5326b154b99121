-- How the rows stand on which somebody has decided since decision $since: whether it settles the row, whether it no longer
-- stands or never did, the number of the last decision, and whether people disagree, by what each said last of the present
-- content; a defer is no opinion.
WITH touched AS (SELECT DISTINCT row_id FROM grounded_decisions WHERE dataset = $dataset AND decision_id > $since),
said AS (
    SELECT d.row_id, d.row_hash, d.reviewed_by,
           arg_max({'decision': d.decision, 'new_label': d.new_label}, (d.reviewed_at, d.decision_id)) AS opinion
    FROM grounded_decisions d SEMI JOIN touched ON touched.row_id = d.row_id
    WHERE d.dataset = $dataset
    GROUP BY ALL
),
numbered AS (
    SELECT d.row_id, max(d.decision_id) AS last_id
    FROM grounded_decisions d SEMI JOIN touched ON touched.row_id = d.row_id
    WHERE d.dataset = $dataset
    GROUP BY d.row_id
)
SELECT c.row_id, c.state = 'valid' AS decided, c.state IN ('deferred', 'stale', 'invalid') AS unsettled, n.last_id,
       (SELECT count(DISTINCT s.opinion) > 1 FROM said s
        WHERE s.row_id = c.row_id AND s.row_hash = c.row_hash AND s.opinion.decision <> 'defer') AS disputed
FROM current_decisions c JOIN numbered n ON n.row_id = c.row_id
WHERE c.dataset = $dataset
