-- One row's evidence in one run, with the other rows' labels.
SELECT e.kind, e.rank, e.other_row_id, e.other_is_reference, e.value, e.word, coalesce(f.given_label, o.given_label) AS other_label
FROM evidence e
LEFT JOIN rows o ON NOT e.other_is_reference AND o.run_id = e.run_id AND o.row_id = e.other_row_id
LEFT JOIN judges f ON e.other_is_reference AND f.run_id = e.run_id AND f.row_id = e.other_row_id
WHERE e.run_id = $run_id AND e.row_id = $row_id
ORDER BY e.kind, e.rank
