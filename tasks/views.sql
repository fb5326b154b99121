-- The views that know nothing of the data's own columns. They are made again at each tag, and as temporary ones by every
-- task that reads them, so that a store written by an older culpa answers in the same way.

-- Each data set's run that was flagged last.
CREATE OR REPLACE VIEW latest_runs AS
SELECT * FROM runs
WHERE flagged_at IS NOT NULL
QUALIFY row_number() OVER (PARTITION BY dataset ORDER BY flagged_at DESC, created_at DESC, run_id) = 1;

-- The reference rows that score a run: those of its first set, of which the gate may put half aside; the set `judging`
-- scores nothing.
CREATE OR REPLACE VIEW judges AS
SELECT f.* FROM reference_rows f JOIN runs u ON u.run_id = f.run_id
WHERE f.reference = coalesce(u.reference_sets->0->>'name', 'trusted') AND f.reference <> 'judging';

-- Decisions with the row's data set and content filled in where the reviewer left them out in plain SQL:
-- the row as it stood in the last run flagged by reviewed_at, else in the first one after it.
CREATE OR REPLACE VIEW grounded_decisions AS
WITH seen AS (
    SELECT d.decision_id,
           arg_max({'dataset': u.dataset, 'row_hash': r.row_hash},
                   CASE WHEN u.flagged_at <= d.reviewed_at THEN epoch_us(u.flagged_at) ELSE -epoch_us(u.flagged_at) END) AS found
    FROM decisions d
    JOIN rows r ON r.row_id = d.row_id
    JOIN runs u ON u.run_id = r.run_id AND u.flagged_at IS NOT NULL AND u.dataset = coalesce(d.dataset, u.dataset)
    WHERE d.row_hash IS NULL OR d.dataset IS NULL
    GROUP BY d.decision_id
)
SELECT d.decision_id, d.row_id,
       coalesce(d.row_hash, s.found.row_hash) AS row_hash,
       coalesce(d.dataset, s.found.dataset) AS dataset,
       d.decision, d.new_label, d.reviewed_by, d.reviewed_at, d.note
FROM decisions d LEFT JOIN seen s USING (decision_id);

-- The last decision on each row: on its present content if there is one, else the last on an earlier content, which is stale.
-- state: valid = applied; deferred = somebody waits, and the rule stands; stale = the content has changed since, not applied;
-- invalid = its new label is no class (no number), a publish refuses until a later decision mends it; gone = the row is not
-- in the latest run; unknown row = in none.
CREATE OR REPLACE VIEW current_decisions AS
SELECT d.dataset, d.row_id, d.decision, d.new_label,
       CASE WHEN d.dataset IS NULL THEN 'unknown row'
            WHEN r.row_id IS NULL THEN 'gone'
            WHEN r.row_hash <> d.row_hash THEN 'stale'
            WHEN d.decision = 'defer' THEN 'deferred'
            WHEN d.decision = 'relabel' AND u.task = 'regression' AND NOT coalesce(isfinite(try_cast(d.new_label AS DOUBLE)), false)
                THEN 'invalid'
            WHEN d.decision = 'relabel' AND u.task = 'classification'
                 AND NOT list_contains(CAST(u.classes AS VARCHAR[]), d.new_label) THEN 'invalid'
            ELSE 'valid' END AS state,
       coalesce(r.row_hash <> d.row_hash, false) AS stale,
       d.reviewed_by, d.reviewed_at, d.note, r.given_label, u.run_id, d.row_hash, d.decision_id
FROM grounded_decisions d
LEFT JOIN latest_runs u ON u.dataset = d.dataset
LEFT JOIN rows r ON r.run_id = u.run_id AND r.row_id = d.row_id
QUALIFY row_number() OVER (
    PARTITION BY d.dataset, d.row_id
    ORDER BY coalesce(r.row_hash = d.row_hash, false) DESC, d.reviewed_at DESC, d.decision_id DESC) = 1;

-- What becomes of every row of every run if it is published now: a person's last decision on this very content beats the
-- rule, and what the gate holds back stays.
CREATE OR REPLACE VIEW verdicts AS
WITH last AS (
    SELECT * FROM grounded_decisions
    QUALIFY row_number() OVER (PARTITION BY dataset, row_id, row_hash ORDER BY reviewed_at DESC, decision_id DESC) = 1
)
SELECT u.dataset, r.run_id, r.position, r.row_id, r.row_hash, r.given_label, r.is_reference,
       coalesce(t.tag, 'neither') AS tag, t.reason AS rule_reason, coalesce(t.droppable, false) AS droppable,
       h.reason AS held_back,
       d.decision_id, d.decision, d.new_label, d.reviewed_by, d.reviewed_at, d.note,
       CASE WHEN d.decision = 'drop' THEN 'dropped'
            WHEN d.decision = 'relabel' THEN 'relabelled'
            WHEN d.decision = 'keep' THEN 'kept'
            WHEN t.droppable AND h.row_id IS NULL THEN 'dropped'
            ELSE 'passed' END AS outcome,
       CASE WHEN d.decision IS NULL OR d.decision = 'defer' THEN nullif(concat_ws('; ', t.reason, h.reason), '')
            ELSE d.decision || coalesce(' as ' || d.new_label, '') || ' by ' || d.reviewed_by
                 || coalesce(': ' || d.note, '') || coalesce(' (the rule: ' || t.reason || ')', '') END AS reason
FROM rows r
JOIN runs u ON u.run_id = r.run_id
LEFT JOIN (SELECT * FROM tags WHERE droppable OR corner <> 'neither' OR tag <> 'neither') t
    ON t.run_id = r.run_id AND t.row_id = r.row_id
LEFT JOIN held_back h ON h.run_id = r.run_id AND h.row_id = r.row_id
LEFT JOIN last d ON d.dataset = u.dataset AND d.row_id = r.row_id AND d.row_hash = r.row_hash;

-- How many rows of each data set's latest run carry which tag, by label; and exact duplicates whose labels disagree.
CREATE OR REPLACE VIEW issue_summary AS
SELECT v.dataset, v.run_id, v.tag AS issue, v.given_label AS label, count(*) AS rows, NULL::BIGINT AS groups,
       count(*) FILTER (v.droppable) AS droppable,
       count(*) FILTER (v.outcome IN ('kept', 'relabelled') OR v.outcome = 'dropped' AND v.decision = 'drop') AS decided,
       count(*) FILTER (v.outcome = 'dropped') AS dropped
FROM verdicts v JOIN latest_runs u ON u.run_id = v.run_id
WHERE v.tag <> 'neither'
GROUP BY ALL
UNION ALL
SELECT dataset, run_id, 'duplicates_disagree', NULL, sum(members), count(*), 0, 0, 0
FROM (
    SELECT u.dataset, u.run_id, r.duplicate_group, count(*) AS members
    FROM rows r JOIN latest_runs u ON u.run_id = r.run_id
    WHERE r.given_label IS NOT NULL AND u.task = 'classification'
    GROUP BY ALL HAVING min(r.given_label) <> max(r.given_label)
)
GROUP BY ALL;

-- Why is this row here, or gone? One line per row and run of its data set. Of a published run: what that publish did;
-- of any other: what a publish would do now, which is always in outcome_now.
CREATE OR REPLACE VIEW row_history AS
WITH known AS (SELECT DISTINCT u.dataset, r.row_id FROM rows r JOIN runs u ON u.run_id = r.run_id),
fates AS (
    SELECT k.dataset, k.row_id, u.run_id, u.created_at, u.state, u.published_at, u.out, r.row_hash, r.given_label,
           v.tag, nullif(concat_ws('; ', v.rule_reason, v.held_back), '') AS rule_reason,
           u.state = 'published' AS is_published,
           CASE WHEN r.row_id IS NULL THEN 'not in the input'
                WHEN u.state = 'ingested' THEN 'not judged yet'
                WHEN is_published THEN coalesce(o.outcome, 'passed')
                ELSE v.outcome END AS outcome,
           v.outcome AS outcome_now,
           CASE WHEN is_published THEN o.reason ELSE v.reason END AS because,
           CASE WHEN is_published THEN o.decision_id ELSE v.decision_id END AS decision_id
    FROM known k
    JOIN runs u ON u.dataset = k.dataset
    LEFT JOIN rows r ON r.run_id = u.run_id AND r.row_id = k.row_id
    LEFT JOIN verdicts v ON v.run_id = u.run_id AND v.row_id = k.row_id
    LEFT JOIN outcomes o ON o.run_id = u.run_id AND o.row_id = k.row_id
)
SELECT dataset, row_id, run_id, created_at, state, outcome, outcome_now, tag, given_label,
       CASE outcome
           WHEN 'not in the input' THEN 'gone: the input of this run did not hold it'
           WHEN 'not judged yet' THEN 'here: the run has not been flagged yet'
           WHEN 'dropped' THEN CASE WHEN is_published THEN 'gone: ' ELSE 'would go: ' END || coalesce(because, tag)
           WHEN 'relabelled' THEN CASE WHEN is_published THEN 'here, relabelled: ' ELSE 'would be relabelled: ' END || because
           WHEN 'kept' THEN 'here: ' || because
           ELSE CASE WHEN given_label IS NULL THEN 'here: it has no label and passed through untouched'
                     WHEN tag <> 'neither' THEN 'here, though flagged: ' || coalesce(rule_reason, tag)
                     ELSE 'here: nothing speaks against it' END
       END AS why,
       coalesce(row_hash <> lag(row_hash) OVER (PARTITION BY dataset, row_id ORDER BY created_at, run_id), false) AS content_changed,
       row_hash, decision_id, published_at, out
FROM fates
ORDER BY dataset, row_id, created_at, run_id;
