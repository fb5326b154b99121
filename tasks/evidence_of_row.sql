-- One row's evidence in one run, with the other rows' labels: of a batch, as the data set has them now.
WITH lines AS (SELECT * FROM evidence WHERE run_id = $run_id AND row_id = $row_id),
others AS (
    SELECT r.row_id, arg_max(r.given_label, (r.run_id = $run_id, u.created_at)) AS given_label
    FROM rows r JOIN runs u ON u.run_id = r.run_id JOIN runs mine ON mine.run_id = $run_id
    WHERE r.row_id IN (SELECT other_row_id FROM lines) AND coalesce(u.onto, u.run_id) = coalesce(mine.onto, mine.run_id)
    GROUP BY r.row_id
)
SELECT e.kind, e.rank, e.other_row_id, e.other_is_reference, e.value, e.word, coalesce(f.given_label, o.given_label) AS other_label
FROM lines e
LEFT JOIN others o ON NOT e.other_is_reference AND o.row_id = e.other_row_id
LEFT JOIN judges f ON e.other_is_reference AND f.run_id = e.run_id AND f.row_id = e.other_row_id
ORDER BY e.kind, e.rank
