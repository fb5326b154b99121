-- The evidence of some rows of a run, with the other rows' labels as the data set has them now: a batch speaks of rows of
-- the run that it came onto, too.
WITH lines AS (
    SELECT * FROM evidence WHERE run_id = $run_id AND row_id IN (SELECT unnest($row_ids))
),
present AS (SELECT run_id, turn FROM current_runs WHERE dataset = $dataset),
others AS (
    SELECT false AS is_reference, r.row_id, arg_max(r.given_label, u.turn) AS given_label
    FROM rows r JOIN present u ON u.run_id = r.run_id
    WHERE r.row_id IN (SELECT other_row_id FROM lines)
    GROUP BY r.row_id
    UNION ALL
    SELECT true, j.row_id, arg_max(j.given_label, u.turn)
    FROM judges j JOIN present u ON u.run_id = j.run_id
    WHERE j.row_id IN (SELECT other_row_id FROM lines)
    GROUP BY j.row_id
)
SELECT e.row_id, e.kind, e.rank, e.other_row_id, e.other_is_reference, e.value, e.word, o.given_label AS other_label
FROM lines e
LEFT JOIN others o ON o.is_reference = e.other_is_reference AND o.row_id = e.other_row_id
ORDER BY e.row_id, e.kind, e.rank
