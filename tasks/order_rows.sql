-- The rows that a model sees, with the columns read by their roles, in canonical order: sorted by the hash of their ids, so that a
-- row's place is a fair coin and permuting the input permutes the scores. Placeholders: {columns}, {rows}, {data}, {run}, {chosen}, {file}.
COPY (
    SELECT r.row_id, r.given_label, {group} AS duplicate_group, {columns}
    FROM {rows} AS r
    JOIN {data} AS d ON d.__row_id = r.row_id AND d.__row_hash = r.row_hash
    WHERE r.run_id = {run} AND {chosen} AND r.given_label IS NOT NULL
    ORDER BY md5(r.row_id), r.row_id
) TO {file} (FORMAT parquet, COMPRESSION uncompressed, ROW_GROUP_SIZE 65536);
