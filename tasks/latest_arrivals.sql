-- What was noticed last of each file of a folder, or of one file, in the order of noticing.
SELECT folder, file, bytes, modified_at, checksum, noticed_at, run_id, error, options
FROM arrivals
WHERE folder = $folder AND ($file IS NULL OR file = $file)
QUALIFY row_number() OVER (PARTITION BY file ORDER BY noticed_at DESC) = 1
ORDER BY noticed_at, file
