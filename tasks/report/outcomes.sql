-- How many rows went, stayed or got another label, and how many of these by a person's word.
SELECT count(*) AS rows,
       count(*) FILTER (outcome = 'dropped') AS dropped,
       count(*) FILTER (outcome = 'dropped' AND coalesce(decision, 'defer') <> 'drop') AS dropped_by_rule,
       count(*) FILTER (outcome = 'relabelled') AS relabelled,
       count(*) FILTER (outcome = 'kept') AS kept_after_review,
       count(*) FILTER (outcome = 'passed') AS passed,
       count(*) FILTER (held_back IS NOT NULL) AS held_back
FROM fates
