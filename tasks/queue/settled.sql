-- The flagged rows that somebody has decided on, for those who look at them again.
SELECT row_id, run_id, tag, given_label, suggested_label, suggested_probability, suspicion, probability_wrong,
       rule_drops, NULL::DOUBLE AS expected_wrong, true AS decided
FROM marked_rows
WHERE dataset = $dataset AND is_flagged AND decision_state = 'valid'
ORDER BY rule_drops DESC, suspicion DESC NULLS LAST, row_id
