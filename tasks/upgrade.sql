-- What a store of an older version lacks; each statement may run again. From version 1: evidence in words, the learning of
-- each row, and influence on several sets of reference rows.
ALTER TABLE evidence ADD COLUMN IF NOT EXISTS word VARCHAR;
ALTER TABLE evidence ALTER COLUMN other_row_id DROP NOT NULL;

CREATE TABLE IF NOT EXISTS learning (
    run_id VARCHAR NOT NULL,
    row_id VARCHAR NOT NULL,
    proxy VARCHAR NOT NULL,             -- of a regression only the loss is known
    first_learned DOUBLE,               -- epoch, from 1, after which the row was right; infinite: never
    forgetting_events DOUBLE,           -- times it was right and then wrong; infinite: never right
    mean_correct DOUBLE,                -- share of the epochs after which it was right
    final_correct DOUBLE,               -- 1: right at the end
    mean_probability DOUBLE,            -- of the own label, over the epochs
    probability_deviation DOUBLE,       -- its standard deviation
    mean_confidence DOUBLE,             -- of the likeliest class
    mean_entropy DOUBLE,                -- of the class probabilities, nats
    area_under_margin DOUBLE,           -- mean score of the own label less the best other one, before the softmax
    accuracy_before_memorization DOUBLE,  -- share right in the epochs before its loss first was next to nought
    mean_loss DOUBLE,
    loss_deviation DOUBLE
);

ALTER TABLE scores ADD COLUMN IF NOT EXISTS weight DOUBLE;  -- in [0, 1], for trainers that take weights
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
