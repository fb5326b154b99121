-- The evidence of some rows, with the other rows' labels.
SELECT e.row_id, e.kind, e.rank, e.other_row_id, e.other_is_reference, e.value, e.word,
       coalesce(f.given_label, o.given_label) AS other_label
FROM evidence e
LEFT JOIN rows o ON NOT e.other_is_reference AND o.run_id = e.run_id AND o.row_id = e.other_row_id
LEFT JOIN judges f ON e.other_is_reference AND f.run_id = e.run_id AND f.row_id = e.other_row_id
WHERE e.run_id = $run_id AND list_contains($row_ids, e.row_id)
ORDER BY e.row_id, e.kind, e.rank
