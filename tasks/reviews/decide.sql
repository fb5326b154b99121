-- What the store knows of each proposed decision's row: its data set, its present content, and what a new label must be.
-- As in current_rows, narrowed down first to the rows proposed: to join all present rows takes ten times as long.
CREATE OR REPLACE TEMP TABLE proposed AS
SELECT p.line, p.row_id, p.decision, p.new_label, p.reviewed_by, p.note,
       u.dataset, u.task, CAST(u.classes AS VARCHAR[]) AS classes, u.row_hash, u.is_reference,
       p.row_hash AS seen_hash, p.dataset AS seen_dataset, p.exported_at
FROM proposals p
LEFT JOIN (
    SELECT r.row_id, r.row_hash, r.is_reference, u.dataset, u.task, u.classes
    FROM rows r JOIN current_runs u ON u.run_id = r.run_id AND u.dataset = coalesce($dataset, u.dataset)
    WHERE r.row_id IN (SELECT row_id FROM proposals)
    QUALIFY row_number() OVER (PARTITION BY u.dataset, r.row_id ORDER BY u.turn DESC) = 1
) u ON u.row_id = p.row_id AND u.dataset = coalesce(p.dataset, u.dataset)
