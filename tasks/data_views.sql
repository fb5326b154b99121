-- The views that show the data's own columns beside our own; made again at each tag for its data set, because the columns
-- come from the run: {own} are all of them, {relabelled} the same with people's new labels.

CREATE OR REPLACE VIEW {flagged} AS
WITH others AS (
    SELECT e.row_id,
           string_agg(e.kind || ' ' || coalesce(e.other_row_id, e.word) || coalesce(' (' || o.given_label || ')', '') || format(' {:.3g}', e.value),
                      '; ' ORDER BY e.kind, e.rank) AS evidence
    FROM evidence e
    LEFT JOIN (
        SELECT false AS is_reference, row_id, given_label FROM rows WHERE run_id = {run}
        UNION ALL
        SELECT true, row_id, given_label FROM judges WHERE run_id = {run}
    ) o ON o.is_reference = e.other_is_reference AND o.row_id = e.other_row_id
    WHERE e.run_id = {run}
    GROUP BY e.row_id
)
SELECT t.row_id, t.tag, t.reason, s.given_label, s.suggested_label, s.suggested_probability, s.suspicion, s.probability_wrong,
       t.memorized, t.harmful, t.droppable, c.decision, c.new_label, coalesce(c.state, 'none') AS decision_state, c.reviewed_by,
       s.memorization, s.self_influence, s.probability_without, s.influence, s.influence_se, s.influence_p_value,
       s.class_influence, s.relative_influence, s.classification_influence, s.loss, s.duplicate_group,
       e.evidence, t.run_id, {dataset} AS dataset,
       {own}
FROM (SELECT * FROM tags WHERE run_id = {run} AND (corner <> 'neither' OR tag <> 'neither' OR droppable)) t
JOIN (SELECT * FROM scores WHERE run_id = {run}) s ON s.row_id = t.row_id
JOIN {data} data ON data.__row_id = s.row_id AND data.__row_hash = s.row_hash
LEFT JOIN others e ON e.row_id = t.row_id
LEFT JOIN current_decisions c ON c.dataset = {dataset} AND c.row_id = t.row_id
ORDER BY s.suspicion DESC NULLS LAST, t.row_id;

CREATE OR REPLACE VIEW flagged AS SELECT * FROM {flagged};

-- Flagged rows that still wait for a person; those that the rule would drop come first.
CREATE OR REPLACE VIEW review_queue AS
SELECT * FROM {flagged}
WHERE decision_state <> 'valid'
ORDER BY droppable DESC, suspicion DESC NULLS LAST, row_id;

-- The rows that a publish now would keep, people's new labels applied, in the input's order.
CREATE OR REPLACE VIEW clean_rows AS
SELECT {relabelled}, v.row_id
FROM verdicts v JOIN {data} data ON data.__row_id = v.row_id AND data.__row_hash = v.row_hash
WHERE v.run_id = {run} AND v.outcome <> 'dropped'
ORDER BY v.position;

-- The rows that a publish now would take out, in the input's order.
CREATE OR REPLACE VIEW quarantine AS
SELECT {own}, v.row_id, v.tag, v.reason, v.run_id AS run
FROM verdicts v JOIN {data} data ON data.__row_id = v.row_id AND data.__row_hash = v.row_hash
WHERE v.run_id = {run} AND v.outcome = 'dropped'
ORDER BY v.position;
