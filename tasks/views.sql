-- The views that know nothing of the data's own columns. They are made again at each tag, and as temporary ones by every
-- task that reads them, so that a store written by an older culpa answers in the same way.

-- Each data set's run that was flagged last.
CREATE OR REPLACE VIEW latest_runs AS
SELECT * FROM runs
WHERE flagged_at IS NOT NULL
QUALIFY row_number() OVER (PARTITION BY dataset ORDER BY flagged_at DESC, created_at DESC, run_id) = 1;

-- The runs whose rows make up each data set as it is now: its full run that was flagged last, and all flagged batches onto
-- that one. `turn` counts them from 1 in the order in which they were flagged.
CREATE OR REPLACE VIEW current_runs AS
WITH roots AS (
    SELECT run_id FROM runs
    WHERE flagged_at IS NOT NULL AND onto IS NULL
    QUALIFY row_number() OVER (PARTITION BY dataset ORDER BY flagged_at DESC, created_at DESC, run_id) = 1
)
SELECT u.*, row_number() OVER (PARTITION BY u.dataset ORDER BY u.flagged_at, u.created_at, u.run_id) AS turn
FROM runs u SEMI JOIN roots ON roots.run_id = coalesce(u.onto, u.run_id)
WHERE u.flagged_at IS NOT NULL;

-- Rows of current runs in whose place a later one has a newer version. In a data set of one full run there are none, and
-- asking costs it next to nothing: NOT IN is kept for that (an anti join would gather all the other rows instead).
CREATE OR REPLACE VIEW superseded_rows AS
WITH later AS (
    SELECT u.dataset, u.turn, r.row_id FROM rows r JOIN current_runs u ON u.run_id = r.run_id WHERE u.turn > 1
)
SELECT DISTINCT r.run_id, r.row_id
FROM rows r
JOIN current_runs u ON u.run_id = r.run_id
JOIN later l ON l.dataset = u.dataset AND l.row_id = r.row_id AND l.turn > u.turn;

-- Each data set's present rows, every row once: of a row that several current runs hold, the version that was flagged last.
CREATE OR REPLACE VIEW current_rows AS
SELECT u.dataset, r.*
FROM rows r JOIN current_runs u ON u.run_id = r.run_id
WHERE (r.run_id, r.row_id) NOT IN (SELECT (run_id, row_id) FROM superseded_rows);

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
                   CASE WHEN u.flagged_at <= d.reviewed_at THEN epoch_us(u.flagged_at) ELSE -epoch_us(u.flagged_at) END) AS found,
           coalesce(nullif(count(DISTINCT u.dataset) FILTER (u.flagged_at <= d.reviewed_at), 0), count(DISTINCT u.dataset)) AS datasets
    FROM decisions d
    JOIN rows r ON r.row_id = d.row_id
    JOIN runs u ON u.run_id = r.run_id AND u.flagged_at IS NOT NULL AND u.dataset = coalesce(d.dataset, u.dataset)
    WHERE d.row_hash IS NULL OR d.dataset IS NULL
    GROUP BY d.decision_id
)
SELECT d.decision_id, d.row_id,
       coalesce(d.row_hash, CASE WHEN d.dataset IS NOT NULL OR s.datasets = 1 THEN s.found.row_hash END) AS row_hash,
       coalesce(d.dataset, CASE WHEN s.datasets = 1 THEN s.found.dataset END) AS dataset,
       d.decision, d.new_label, d.reviewed_by, d.reviewed_at, d.note,
       d.dataset IS NULL AND coalesce(s.datasets > 1, false) AS ambiguous
FROM decisions d LEFT JOIN seen s USING (decision_id);

-- The last decision on each row: on its present content if there is one, else the last on an earlier content, which is stale.
-- state: valid = applied; deferred = somebody waits, and the rule stands; stale = the content has changed since, not applied;
-- invalid = its new label is no class (no number), a publish refuses until a later decision mends it; gone = the row is in
-- no current run; unknown row = in none at all; ambiguous = several data sets hold a row of this name and none was named.
CREATE OR REPLACE VIEW current_decisions AS
WITH decided_rows AS (                          -- as in current_rows, narrowed down first to what anybody has decided on
    SELECT u.dataset, u.task, u.classes, r.run_id, r.row_id, r.row_hash, r.given_label
    FROM rows r JOIN current_runs u ON u.run_id = r.run_id
    WHERE r.row_id IN (SELECT row_id FROM decisions)
    QUALIFY row_number() OVER (PARTITION BY u.dataset, r.row_id ORDER BY u.turn DESC) = 1
)
SELECT d.dataset, d.row_id, d.decision, d.new_label,
       CASE WHEN d.ambiguous THEN 'ambiguous'
            WHEN d.dataset IS NULL THEN 'unknown row'
            WHEN r.row_id IS NULL THEN 'gone'
            WHEN r.row_hash <> d.row_hash THEN 'stale'
            WHEN d.decision = 'defer' THEN 'deferred'
            WHEN d.decision = 'relabel' AND r.task = 'regression' AND NOT coalesce(isfinite(try_cast(d.new_label AS DOUBLE)), false)
                THEN 'invalid'
            WHEN d.decision = 'relabel' AND r.task = 'classification'
                 AND NOT list_contains(CAST(r.classes AS VARCHAR[]), d.new_label) THEN 'invalid'
            ELSE 'valid' END AS state,
       coalesce(r.row_hash <> d.row_hash, false) AS stale,
       d.reviewed_by, d.reviewed_at, d.note, r.given_label, r.run_id, d.row_hash, d.decision_id
FROM grounded_decisions d
LEFT JOIN decided_rows r ON r.dataset = d.dataset AND r.row_id = d.row_id
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
SELECT u.dataset, r.run_id, r.position, r.row_id, r.row_hash, r.given_label, r.duplicate_group, r.is_reference,
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

-- How many of each data set's present rows carry which tag, by label; and exact duplicates within a run whose labels disagree.
CREATE OR REPLACE VIEW issue_summary AS
SELECT v.dataset, coalesce(u.onto, u.run_id) AS run_id, v.tag AS issue, v.given_label AS label, count(*) AS rows,
       NULL::BIGINT AS groups,
       count(*) FILTER (v.droppable) AS droppable,
       count(*) FILTER (v.outcome IN ('kept', 'relabelled') OR v.outcome = 'dropped' AND v.decision = 'drop') AS decided,
       count(*) FILTER (v.outcome = 'dropped') AS dropped
FROM verdicts v JOIN current_runs u ON u.run_id = v.run_id
WHERE v.tag <> 'neither' AND (v.run_id, v.row_id) NOT IN (SELECT (run_id, row_id) FROM superseded_rows)
GROUP BY ALL
UNION ALL
SELECT dataset, root, 'duplicates_disagree', NULL, sum(members)::BIGINT, count(*), 0, 0, 0
FROM (
    SELECT u.dataset, coalesce(u.onto, u.run_id) AS root, r.run_id, r.duplicate_group, count(*) AS members
    FROM current_rows r JOIN current_runs u ON u.run_id = r.run_id
    WHERE r.given_label IS NOT NULL AND u.task = 'classification'
    GROUP BY ALL HAVING min(r.given_label) <> max(r.given_label)
)
GROUP BY ALL;

-- Every present row that is flagged or that somebody has decided on, with its scores, its evidence and the decision that
-- stands; no column of the data's own. rule_drops: the rule takes it out unless a person says otherwise; what the gate holds
-- back stays.
CREATE OR REPLACE VIEW marked_rows AS
WITH marked AS (
    SELECT u.dataset, t.run_id, t.row_id
    FROM tags t JOIN current_runs u ON u.run_id = t.run_id
    WHERE (t.corner <> 'neither' OR t.tag <> 'neither' OR t.droppable)
      AND (t.run_id, t.row_id) NOT IN (SELECT (run_id, row_id) FROM superseded_rows)
    UNION
    SELECT dataset, run_id, row_id FROM current_decisions WHERE run_id IS NOT NULL
),
said AS (
    SELECT e.run_id, e.row_id,
           string_agg(e.kind || ' ' || coalesce(e.other_row_id, e.word) || coalesce(' (' || coalesce(f.given_label, o.given_label) || ')', '')
                      || format(' {:.3g}', e.value), '; ' ORDER BY e.kind, e.rank) AS evidence
    FROM evidence e
    SEMI JOIN current_runs u ON u.run_id = e.run_id
    LEFT JOIN rows o ON NOT e.other_is_reference AND o.run_id = e.run_id AND o.row_id = e.other_row_id
    LEFT JOIN judges f ON e.other_is_reference AND f.run_id = e.run_id AND f.row_id = e.other_row_id
    GROUP BY ALL
)
SELECT m.row_id, coalesce(t.tag, 'neither') AS tag, t.reason, r.given_label, s.suggested_label, s.suggested_probability,
       s.suspicion, s.probability_wrong, coalesce(t.memorized, false) AS memorized, coalesce(t.harmful, false) AS harmful,
       coalesce(t.droppable, false) AS droppable, coalesce(t.droppable, false) AND h.row_id IS NULL AS rule_drops,
       c.decision, c.new_label, coalesce(c.state, 'none') AS decision_state, c.reviewed_by,
       s.memorization, s.self_influence, s.probability_without, s.influence, s.influence_se, s.influence_p_value,
       s.class_influence, s.relative_influence, s.classification_influence, s.loss, r.duplicate_group,
       e.evidence, m.run_id, m.dataset, r.row_hash,
       coalesce(t.corner <> 'neither' OR t.tag <> 'neither' OR t.droppable, false) AS is_flagged
FROM marked m
JOIN rows r ON r.run_id = m.run_id AND r.row_id = m.row_id
LEFT JOIN tags t ON t.run_id = m.run_id AND t.row_id = m.row_id
LEFT JOIN scores s ON s.run_id = m.run_id AND s.row_id = m.row_id
LEFT JOIN held_back h ON h.run_id = m.run_id AND h.row_id = m.row_id
LEFT JOIN said e ON e.run_id = m.run_id AND e.row_id = m.row_id
LEFT JOIN current_decisions c ON c.dataset = m.dataset AND c.row_id = m.row_id;

-- What a person should look at next, most valuable first: flagged rows without a valid decision, and rows whose decision
-- no longer stands.
--   must_see        a publish now would drop the row by the rule alone, or its last decision is deferred, stale or invalid
--   expected_wrong  share of wrong labels to expect at this suspicion, by the run's calibration: between the budgets k-1 and k,
--                   (wrong_expected_k - wrong_expected_(k-1)) / (budget_k - budget_(k-1)); uncalibrated: probability_wrong
--   value           (rule_drops ? 1 - expected_wrong : expected_wrong) * |influence| / (mean |influence| of the flagged rows):
--                   the chance that the rule errs here, times what is at stake, which is 1 where influence is unknown
-- Order: must_see, then value, then row_id.
CREATE OR REPLACE VIEW waiting_rows AS
WITH budgets AS (
    SELECT run_id, suspicion, max(budget) AS budget, arg_max(wrong_expected, budget) AS wrong_expected
    FROM calibration WHERE suspicion IS NOT NULL
    GROUP BY run_id, suspicion
),
bands AS (
    SELECT run_id, suspicion,
           least(1, greatest(0, (wrong_expected - lag(wrong_expected, 1, 0) OVER steps)
                                / (budget - lag(budget, 1, 0) OVER steps))) AS expected_wrong
    FROM budgets
    WINDOW steps AS (PARTITION BY run_id ORDER BY budget)
),
rated AS (
    SELECT m.*, coalesce(b.expected_wrong, m.probability_wrong) AS expected_wrong,
           coalesce(abs(m.influence) / avg(abs(m.influence)) FILTER (m.is_flagged AND isfinite(m.influence)) OVER (PARTITION BY m.dataset), 1)
               AS stake
    FROM marked_rows m
    ASOF LEFT JOIN bands b ON b.run_id = m.run_id AND m.suspicion >= b.suspicion
)
SELECT row_id,
       rule_drops OR decision_state IN ('deferred', 'stale', 'invalid') AS must_see,
       (CASE WHEN rule_drops THEN 1 - expected_wrong ELSE expected_wrong END) * CASE WHEN isfinite(stake) THEN stake ELSE 1 END AS value,
       expected_wrong, * EXCLUDE (row_id, expected_wrong, stake, is_flagged)
FROM rated
WHERE decision_state <> 'valid'
ORDER BY must_see DESC, value DESC NULLS LAST, row_id;

-- Why is this row here, or gone? One line per row and run of its data set; a batch speaks only of its own rows. Of a published run: what that publish did;
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
    WHERE r.row_id IS NOT NULL OR u.onto IS NULL
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
