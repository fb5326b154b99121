-- Relabels in the plan whose new label is no class, no number, or no value of the label column's type {kind}.
SELECT decision_id, row_id, new_label
FROM plan
WHERE outcome = 'relabelled'
  AND NOT coalesce(
      try_cast(new_label AS {kind}) IS NOT NULL
      AND (NOT $whole OR regexp_full_match(trim(new_label), '[+-]?[0-9]+'))
      AND (len($classes) = 0 OR list_contains($classes, new_label))
      AND ($task = 'classification' OR isfinite(try_cast(new_label AS DOUBLE))), false)
ORDER BY decision_id
LIMIT 5
