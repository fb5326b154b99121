-- What became of the rows of one run: of a published run what that publish did, else what a publish would do now.
CREATE OR REPLACE TEMP TABLE fates AS
SELECT v.row_id, v.given_label, v.held_back,
       CASE WHEN u.state = 'published' THEN coalesce(o.outcome, 'passed') ELSE v.outcome END AS outcome,
       CASE WHEN u.state = 'published' THEN d.decision ELSE v.decision END AS decision,
       CASE WHEN u.state = 'published' THEN d.new_label ELSE v.new_label END AS new_label
FROM verdicts v
JOIN runs u ON u.run_id = v.run_id
LEFT JOIN outcomes o ON o.run_id = v.run_id AND o.row_id = v.row_id
LEFT JOIN decisions d ON d.decision_id = o.decision_id
WHERE v.run_id = $run_id
