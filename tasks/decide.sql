-- What the store knows of each proposed decision's row: its data set, its present content, and what a new label must be.
CREATE OR REPLACE TEMP TABLE proposed AS
SELECT p.line, p.row_id, p.decision, p.new_label, p.reviewed_by, p.note,
       u.dataset, u.task, CAST(u.classes AS VARCHAR[]) AS classes, r.row_hash, r.is_reference
FROM proposals p
LEFT JOIN (current_rows r JOIN current_runs u ON u.run_id = r.run_id AND u.dataset = coalesce($dataset, u.dataset)) ON r.row_id = p.row_id
