-- Rows of a batch and those beside them in canonical order, as tasks/order_rows.sql has those of a run, and what else is
-- known of them. Placeholders: columns, rows (a query), data, file.
COPY (
    SELECT r.row_id, r.row_hash, r.label AS given_label, r.duplicate_group, r.is_fresh, r.is_reference, r.position,
           coalesce(s.suspicion, 0) AS suspicion, {columns}
    FROM ({rows}) AS r
    JOIN {data} AS d ON d.__row_id = r.row_id AND d.__row_hash = r.row_hash
    LEFT JOIN scores s ON s.run_id = r.run_id AND s.row_id = r.row_id
    ORDER BY md5(r.row_id), r.row_id
) TO {file} (FORMAT parquet, COMPRESSION uncompressed, ROW_GROUP_SIZE 65536);
