-- Names every row of a staged table by its key or its content, never by its place. Placeholders: {data}, {named}, {key} (the key as
-- text, or NULL), {content} (sort key of all columns but label and key), {features} (sort key of the columns used as features),
-- {label} (the label as text), {label_content} (the label's own content).
-- create_sort_key turns typed values into bytes, one to one: no two different rows give the same bytes, whatever their texts hold.
CREATE TABLE {named} AS
WITH hashed AS (
    SELECT
        rowid AS position,
        {key} AS row_key,
        md5({content}) AS content_hash,
        {features} AS feature_hash,
        {label} AS given_label,
        {label_content} AS label_content
    FROM {data}
),
whole AS (
    SELECT
        *,
        md5(create_sort_key($names, 'ASC NULLS FIRST', content_hash, 'ASC NULLS FIRST', label_content, 'ASC NULLS FIRST',
                            row_key, 'ASC NULLS FIRST')) AS row_hash
    FROM hashed
)
SELECT
    position,
    -- rows of equal content are told apart by a number; among them the label decides the order, and only then the place
    coalesce(row_key, left(content_hash, 16) || '-' || row_number() OVER (PARTITION BY content_hash ORDER BY row_hash, position))
        AS row_id,
    row_hash,
    given_label,
    coalesce(feature_hash, content_hash) AS feature_hash,
    min(position) OVER (PARTITION BY coalesce(feature_hash, content_hash)) AS duplicate_group
FROM whole;
