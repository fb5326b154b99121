-- What must hold in every store, whatever happened to its writers; one line for each kind of problem and run that has it:
-- problem, run_id (or what else is concerned), rows, example. The words for people stand in tasks/upkeep/inspect.py.
WITH
of_runs AS (
    SELECT 'rows' AS name, run_id, row_id FROM rows
    UNION ALL SELECT 'reference_rows', run_id, row_id FROM reference_rows
    UNION ALL SELECT 'scores', run_id, row_id FROM scores
    UNION ALL SELECT 'proxy_scores', run_id, row_id FROM proxy_scores
    UNION ALL SELECT 'learning', run_id, row_id FROM learning
    UNION ALL SELECT 'reference_influences', run_id, row_id FROM reference_influences
    UNION ALL SELECT 'tags', run_id, row_id FROM tags
    UNION ALL SELECT 'evidence', run_id, row_id FROM evidence
    UNION ALL SELECT 'round_removals', run_id, row_id FROM round_removals
    UNION ALL SELECT 'outcomes', run_id, row_id FROM outcomes
    UNION ALL SELECT 'held_back', run_id, row_id FROM held_back
    UNION ALL SELECT 'rounds', run_id, NULL FROM rounds
    UNION ALL SELECT 'gates', run_id, NULL FROM gates
    UNION ALL SELECT 'gate_effects', run_id, NULL FROM gate_effects
    UNION ALL SELECT 'gate_curve', run_id, NULL FROM gate_curve
    UNION ALL SELECT 'calibration', run_id, NULL FROM calibration
    UNION ALL SELECT 'faithfulness', run_id, NULL FROM faithfulness
    UNION ALL SELECT 'drifts', run_id, NULL FROM drifts
),
counted AS (
    SELECT run_id, count(*) AS rows, count(DISTINCT row_id) AS names, count(given_label) AS labelled,
           min(position) AS first, max(position) AS last, count(DISTINCT position) AS places
    FROM rows GROUP BY run_id
),
scored AS (SELECT run_id, count(*) AS lines, count(DISTINCT row_id) AS names FROM scores GROUP BY run_id),
tagged AS (SELECT run_id, count(*) AS lines, count(DISTINCT row_id) AS names FROM tags GROUP BY run_id),
judged AS (SELECT * FROM runs WHERE state <> 'ingested')

SELECT 'without_run' AS problem, name || ' of run ' || o.run_id AS run_id, count(*) AS rows, min(o.row_id) AS example
FROM of_runs o ANTI JOIN runs u ON u.run_id = o.run_id
GROUP BY ALL

UNION ALL  -- reference rows and rows are the rows themselves
SELECT 'without_row', o.name || ' of run ' || o.run_id, count(*), min(o.row_id)
FROM of_runs o SEMI JOIN runs u ON u.run_id = o.run_id ANTI JOIN rows r ON r.run_id = o.run_id AND r.row_id = o.row_id
WHERE o.row_id IS NOT NULL AND o.name NOT IN ('rows', 'reference_rows')
GROUP BY ALL

UNION ALL
SELECT 'without_row', 'evidence of run ' || e.run_id, count(*), min(e.other_row_id)
FROM evidence e
JOIN runs u ON u.run_id = e.run_id
ANTI JOIN (
    -- a batch speaks of rows of the run that it came onto, and of that one's other batches, too
    SELECT coalesce(b.onto, b.run_id) AS root, r.row_id, false AS is_reference FROM rows r JOIN runs b ON b.run_id = r.run_id
    UNION ALL SELECT coalesce(b.onto, b.run_id), r.row_id, true FROM reference_rows r JOIN runs b ON b.run_id = r.run_id
) o ON o.root = coalesce(u.onto, u.run_id) AND o.row_id = e.other_row_id AND o.is_reference = e.other_is_reference
WHERE e.other_row_id IS NOT NULL
GROUP BY ALL

UNION ALL
SELECT 'other_content', s.run_id, count(*), min(s.row_id)
FROM scores s JOIN rows r ON r.run_id = s.run_id AND r.row_id = s.row_id
WHERE r.row_hash <> s.row_hash OR r.given_label IS DISTINCT FROM s.given_label
GROUP BY ALL

UNION ALL
SELECT 'rows_missing', u.run_id, abs(u.row_count - coalesce(c.rows, 0)), NULL
FROM runs u LEFT JOIN counted c ON c.run_id = u.run_id
WHERE u.row_count <> coalesce(c.rows, 0) OR u.row_count - u.unlabelled_count <> coalesce(c.labelled, 0)
   OR c.places <> c.rows OR c.first <> 0 OR c.last <> c.rows - 1

UNION ALL
SELECT 'rows_twice', run_id, rows - names, NULL FROM counted WHERE rows <> names

UNION ALL
SELECT 'scores_missing', u.run_id, abs(u.row_count - u.unlabelled_count - coalesce(s.lines, 0)), NULL
FROM judged u LEFT JOIN scored s ON s.run_id = u.run_id
WHERE u.forgotten_at IS NULL
  AND (u.row_count - u.unlabelled_count <> coalesce(s.lines, 0) OR s.lines <> s.names)

UNION ALL
SELECT 'tags_missing', u.run_id, abs(u.row_count - u.unlabelled_count - coalesce(t.lines, 0)), NULL
FROM judged u LEFT JOIN tagged t ON t.run_id = u.run_id
WHERE u.forgotten_at IS NULL
  AND (u.row_count - u.unlabelled_count <> coalesce(t.lines, 0) OR t.lines <> t.names)

UNION ALL
SELECT 'scored_too_early', o.run_id, count(*), NULL
FROM of_runs o JOIN runs u ON u.run_id = o.run_id
WHERE u.state = 'ingested' AND o.name NOT IN ('rows', 'reference_rows', 'drifts')
GROUP BY ALL

UNION ALL
SELECT 'outcomes_twice', run_id, count(*) - count(DISTINCT row_id), NULL
FROM outcomes GROUP BY run_id HAVING count(*) <> count(DISTINCT row_id)

UNION ALL
SELECT 'state_unclear', run_id, 1, state
FROM runs
WHERE (state <> 'ingested' AND flagged_at IS NULL) OR (state = 'published' AND (published_at IS NULL OR out IS NULL))
   OR NOT EXISTS (SELECT 1 FROM datasets d WHERE d.dataset = runs.dataset)

UNION ALL
SELECT 'batch_without_root', b.run_id, 1, b.onto
FROM runs b ANTI JOIN runs u ON u.run_id = b.onto AND u.dataset = b.dataset AND u.onto IS NULL AND u.flagged_at IS NOT NULL
WHERE b.onto IS NOT NULL

UNION ALL
SELECT 'decisions_twice', 'decision ' || decision_id, count(*) - 1, min(row_id)
FROM decisions GROUP BY decision_id HAVING count(*) > 1

UNION ALL  -- a person may name a row that no run holds yet, but not a data set that is none
SELECT 'decision_on_no_dataset', d.dataset, count(*), min(d.row_id)
FROM decisions d ANTI JOIN runs u ON u.dataset = d.dataset
WHERE d.dataset IS NOT NULL
GROUP BY ALL

UNION ALL
SELECT 'decision_on_no_row', coalesce(d.dataset, 'any data set'), count(*), min(d.row_id)
FROM decisions d
ANTI JOIN (SELECT u.dataset, r.row_id FROM rows r JOIN runs u ON u.run_id = r.run_id) k
    ON k.row_id = d.row_id AND k.dataset = coalesce(d.dataset, k.dataset)
WHERE d.dataset IS NULL OR d.dataset IN (SELECT dataset FROM runs)
GROUP BY ALL

UNION ALL
SELECT 'outcome_of_no_decision', o.run_id, count(*), min(o.row_id)
FROM outcomes o ANTI JOIN decisions d ON d.decision_id = o.decision_id
WHERE o.decision_id IS NOT NULL
GROUP BY ALL

ORDER BY ALL
