-- What a store of an older version lacks; each statement may run again. From version 1: evidence in words, the learning of
-- each row, and influence on several sets of reference rows.
ALTER TABLE evidence ADD COLUMN IF NOT EXISTS word VARCHAR;
ALTER TABLE evidence ALTER COLUMN other_row_id DROP NOT NULL;

CREATE TABLE IF NOT EXISTS learning (
    run_id VARCHAR NOT NULL,
    row_id VARCHAR NOT NULL,
    proxy VARCHAR NOT NULL,
    first_learned DOUBLE,               -- epoch, from 1, from which the network had the row's label right; NULL: never
    forgetting_events DOUBLE,           -- how often it had it right and then wrong
    mean_correctness DOUBLE,            -- share of epochs in which it had it right
    final_correctness DOUBLE,           -- 1 if it had it right at the end
    mean_probability DOUBLE,            -- mean P(own label) over the epochs
    variability DOUBLE,                 -- standard deviation of P(own label) over the epochs
    area_under_margin DOUBLE,           -- mean score of the own label less the best other one
    entropy DOUBLE,                     -- mean entropy of the probabilities, nats
    accuracy_before_memorization DOUBLE -- share right in the epochs before the row was memorized
);

ALTER TABLE reference_rows ADD COLUMN IF NOT EXISTS reference VARCHAR DEFAULT 'trusted';  -- the set's name
ALTER TABLE runs ADD COLUMN IF NOT EXISTS reference_sets JSON DEFAULT '[]';             -- [{name, table}]; the first judges

CREATE TABLE IF NOT EXISTS reference_influences (
    run_id VARCHAR NOT NULL,
    row_id VARCHAR NOT NULL,
    reference VARCHAR NOT NULL,         -- the name of the set of reference rows
    influence DOUBLE,                   -- on the mean loss of that set; positive = the row helps it
    influence_se DOUBLE
);

UPDATE meta SET schema_version = 2;
