INSERT INTO arrivals (folder, file, bytes, modified_at, checksum, noticed_at, run_id, error, options)
VALUES ($folder, $file, $bytes, $modified_at, $checksum, $noticed_at, $run_id, $error, $options)
