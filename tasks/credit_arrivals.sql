-- A file that somebody else took in, such as a deployment that an event started, is credited to that run.
UPDATE arrivals SET run_id = (
    SELECT max_by(u.run_id, u.created_at) FROM runs u
    WHERE u.source = arrivals.folder || '/' || arrivals.file AND u.state = 'published' AND u.created_at >= arrivals.noticed_at
)
WHERE folder = $folder AND run_id IS NULL AND error IS NULL
