-- The evidence of some rows of a run, with the other rows' labels.
WITH lines AS (
    SELECT * FROM evidence WHERE run_id = $run_id AND row_id IN (SELECT unnest($row_ids))
),
others AS (
    SELECT false AS is_reference, row_id, given_label FROM rows
    WHERE run_id = $run_id AND row_id IN (SELECT other_row_id FROM lines)
    UNION ALL
    SELECT true, row_id, given_label FROM judges
    WHERE run_id = $run_id AND row_id IN (SELECT other_row_id FROM lines)
)
SELECT e.row_id, e.kind, e.rank, e.other_row_id, e.other_is_reference, e.value, e.word, o.given_label AS other_label
FROM lines e
LEFT JOIN others o ON o.is_reference = e.other_is_reference AND o.row_id = e.other_row_id
ORDER BY e.row_id, e.kind, e.rank
