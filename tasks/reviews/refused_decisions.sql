-- Proposed decisions that cannot be: a new label that is no class (no number), or a trusted row dropped or relabelled.
SELECT line, row_id, new_label, classes, is_reference AND decision IN ('drop', 'relabel') AS is_trusted
FROM proposed
WHERE is_trusted
   OR new_label IS NOT NULL
      AND NOT CASE task WHEN 'classification' THEN list_contains(classes, new_label)
                        ELSE coalesce(isfinite(try_cast(new_label AS DOUBLE)), false) END
ORDER BY line
