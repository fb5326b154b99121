-- The views that show the data's own columns beside our own; made again at each tag for its data set, because the columns
-- come from its runs: {own} are all of them, {relabelled} the same with people's new labels. Each exists under the data set's name,
-- such as flagged_pets, and, of the data set that was tagged last, under the short one.

-- The present rows that carry a tag, the most suspicious first.
CREATE OR REPLACE VIEW {flagged} AS
SELECT m.* EXCLUDE (row_hash, is_flagged), {own}
FROM marked_rows m LEFT JOIN {data} data ON data.__row_id = m.row_id AND data.__row_hash = m.row_hash
WHERE m.dataset = {dataset} AND m.is_flagged
ORDER BY m.suspicion DESC NULLS LAST, m.row_id;

-- What a person should look at next, most valuable first; see waiting_rows for must_see, value and expected_wrong.
CREATE OR REPLACE VIEW {review_queue} AS
SELECT w.* EXCLUDE (row_hash), {own}
FROM waiting_rows w LEFT JOIN {data} data ON data.__row_id = w.row_id AND data.__row_hash = w.row_hash
WHERE w.dataset = {dataset}
ORDER BY w.must_see DESC, w.value DESC NULLS LAST, w.row_id;

-- The present rows that a publish now would keep, people's new labels applied, in the order in which they came.
CREATE OR REPLACE VIEW {clean_rows} AS
SELECT {relabelled}, v.row_id
FROM verdicts v
JOIN current_runs u ON u.run_id = v.run_id
JOIN {data} data ON data.__row_id = v.row_id AND data.__row_hash = v.row_hash
WHERE u.dataset = {dataset} AND v.outcome <> 'dropped'
  AND (v.run_id, v.row_id) NOT IN (SELECT (run_id, row_id) FROM superseded_rows)
ORDER BY u.created_at, u.run_id, v.position;

-- The present rows that a publish now would take out, in the order in which they came.
CREATE OR REPLACE VIEW {quarantine} AS
SELECT {own}, v.row_id, v.tag, v.reason, v.run_id AS run
FROM verdicts v
JOIN current_runs u ON u.run_id = v.run_id
JOIN {data} data ON data.__row_id = v.row_id AND data.__row_hash = v.row_hash
WHERE u.dataset = {dataset} AND v.outcome = 'dropped'
  AND (v.run_id, v.row_id) NOT IN (SELECT (run_id, row_id) FROM superseded_rows)
ORDER BY u.created_at, u.run_id, v.position;

CREATE OR REPLACE VIEW flagged AS SELECT * FROM {flagged};
CREATE OR REPLACE VIEW review_queue AS SELECT * FROM {review_queue};
CREATE OR REPLACE VIEW clean_rows AS SELECT * FROM {clean_rows};
CREATE OR REPLACE VIEW quarantine AS SELECT * FROM {quarantine};
