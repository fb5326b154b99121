-- Given label against suggested label of the rows called harmful.
SELECT given_label AS given, suggested_label AS suggested, count(*) AS rows
FROM judged WHERE harmful AND suggested_label <> given_label
GROUP BY ALL ORDER BY rows DESC, given, suggested
