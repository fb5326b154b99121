-- The rows that wait for a person, most valuable first, with empty columns for what they decide; with {all} all flagged rows.
-- Placeholders: {own} (the data's own columns), {data} (their table), {dataset}, {all} (true or false), {most} (rows), {exported_at}.
SELECT m.row_id, m.given_label, m.suggested_label,
       NULL::VARCHAR AS decision, NULL::VARCHAR AS new_label, NULL::VARCHAR AS note, NULL::VARCHAR AS reviewed_by,
       {own},
       m.tag, m.reason, m.evidence, m.suggested_probability, m.suspicion, m.probability_wrong, m.influence, m.memorization,
       w.expected_wrong, coalesce(w.must_see, false) AS must_see, w.value,
       m.decision || coalesce(' as ' || m.new_label, '') || ' by ' || m.reviewed_by || ' (' || m.decision_state || ')' AS decided_so_far,
       m.dataset, m.row_hash, {exported_at} AS exported_at
FROM marked_rows m
LEFT JOIN waiting_rows w ON w.dataset = m.dataset AND w.row_id = m.row_id
LEFT JOIN {data} data ON data.__row_id = m.row_id AND data.__row_hash = m.row_hash
WHERE m.dataset = {dataset} AND (w.row_id IS NOT NULL OR {all} AND m.is_flagged)
ORDER BY coalesce(w.must_see, false) DESC, w.value DESC NULLS LAST, m.row_id
LIMIT {most}
