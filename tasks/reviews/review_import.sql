-- What becomes of each proposed decision of an exported file, and of its row as the person saw it.
--   gone        the row has left the data set since
--   unknown     no run has held the row with the content that the file tells
--   repeated    the same person has said the same of this content: after the export, or as the last word on it
--   overtaken   a decision on the row is newer than the export; made by newer_by at newer_at
--   stale       the content has changed since the export
--   new         none of these
CREATE OR REPLACE TEMP TABLE settled AS
WITH made AS (
    SELECT p.line, d.reviewed_by, d.reviewed_at,
           d.reviewed_at > CAST(p.exported_at AS TIMESTAMP) AS is_newer,
           d.row_hash = p.seen_hash AND d.decision = p.decision AND d.new_label IS NOT DISTINCT FROM p.new_label
               AND d.reviewed_by = trim(p.reviewed_by) AS is_same,
           row_number() OVER (PARTITION BY p.line, d.row_hash ORDER BY d.reviewed_at DESC, d.decision_id DESC) = 1 AS is_last
    FROM proposed p
    JOIN grounded_decisions d ON d.row_id = p.row_id AND d.dataset = p.seen_dataset
),
before AS (
    SELECT line, bool_or(is_same AND (is_newer OR is_last)) AS is_repeated, bool_or(is_newer) AS is_overtaken,
           arg_max(reviewed_by, reviewed_at) FILTER (is_newer) AS newer_by, max(reviewed_at) FILTER (is_newer) AS newer_at
    FROM made GROUP BY line
),
held AS (
    SELECT DISTINCT p.line
    FROM proposed p
    JOIN rows r ON r.row_id = p.row_id AND r.row_hash = p.seen_hash
    JOIN runs u ON u.run_id = r.run_id AND u.dataset = p.seen_dataset
)
SELECT p.line, p.row_id, b.newer_by, b.newer_at,
       CASE WHEN h.line IS NULL THEN 'unknown'
            WHEN b.is_repeated THEN 'repeated'
            WHEN b.is_overtaken THEN 'overtaken'
            WHEN p.row_hash IS NULL THEN 'gone'
            WHEN p.row_hash <> p.seen_hash THEN 'stale'
            ELSE 'new' END AS fate
FROM proposed p
LEFT JOIN before b ON b.line = p.line
LEFT JOIN held h ON h.line = p.line
ORDER BY p.line;
