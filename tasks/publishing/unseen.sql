-- Rows of one run that a person has to see before it is published: what the rule alone would drop by the temporary table `plan`, and
-- what review_queue calls must_see. Versions of a row in whose place a newer one has come are nobody's to see.
SELECT row_id FROM (
    SELECT row_id FROM plan WHERE outcome = 'dropped' AND decision IS DISTINCT FROM 'drop'
    UNION
    SELECT row_id FROM waiting_rows WHERE run_id = $run_id AND must_see
)
WHERE row_id NOT IN (SELECT row_id FROM superseded_rows WHERE run_id = $run_id)
ORDER BY row_id
