-- Adds the rows of a staged table to their data table, which is addressed by content: what is there already stays.
-- Placeholders: {table} in the store, {data} and {named} in the staging file.
INSERT INTO {table}
SELECT named.row_id, named.row_hash, data.*
FROM staged.{data} AS data
JOIN staged.{named} AS named ON named.position = data.rowid
ANTI JOIN {table} AS known ON known.__row_id = named.row_id AND known.__row_hash = named.row_hash;
