-- The runs that were flagged before $before, still have scores, and are no part of what their data set is now. A full run stays as
-- long as a batch onto it is younger.
SELECT run_id FROM runs
WHERE flagged_at < $before AND forgotten_at IS NULL
  AND run_id NOT IN (SELECT run_id FROM current_runs)
  AND run_id NOT IN (SELECT onto FROM runs WHERE onto IS NOT NULL AND coalesce(flagged_at, created_at) >= $before)
ORDER BY flagged_at, run_id
