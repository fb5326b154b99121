-- Replaces the drifts of one batch. `since` is when the first of its source's latest drifting batches came: that of the
-- batch before it, if that one drifted as well. Placeholders: run, onto.
DELETE FROM drifts WHERE run_id = {run};
INSERT INTO drifts BY NAME
WITH this AS (SELECT * FROM runs WHERE run_id = {run}),
before AS (
    SELECT d.source, u.run_id, d.since
    FROM drifts d JOIN runs u ON u.run_id = d.run_id, this
    WHERE coalesce(u.onto, u.run_id) = {onto} AND u.created_at < this.created_at
      AND NOT EXISTS (
          SELECT 1 FROM runs later
          WHERE later.onto = {onto} AND later.flagged_at IS NOT NULL AND later.created_at > u.created_at
            AND later.created_at < this.created_at
            AND regexp_replace(parse_filename(later.source), '[0-9]+', '*', 'g')
                = regexp_replace(parse_filename(this.source), '[0-9]+', '*', 'g'))
    QUALIFY row_number() OVER (PARTITION BY d.source ORDER BY u.created_at DESC) = 1
)
SELECT {run} AS run_id, n.*, coalesce(b.since, this.created_at) AS since
FROM new_drifts n CROSS JOIN this LEFT JOIN before b ON b.source = n.source;
