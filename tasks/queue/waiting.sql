-- The rows that wait for a person, in the order of review_queue.
SELECT row_id, run_id, tag, given_label, suggested_label, suggested_probability, suspicion, probability_wrong,
       rule_drops, expected_wrong, false AS decided
FROM waiting_rows
WHERE dataset = $dataset
ORDER BY must_see DESC, value DESC NULLS LAST, row_id
