-- What a store of an older version lacks; each statement may run again. Version 2 brought evidence in words, the learning of
-- each row, and influence on several sets of reference rows; version 3 the proof: gate, calibration and faithfulness; version 4
-- batches that come onto a data set, their drift, files that were noticed, and rows whose data stay outside.
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

CREATE TABLE IF NOT EXISTS gates (              -- what the gate said of a run's plan the last time it was asked
    run_id VARCHAR NOT NULL,
    plan VARCHAR NOT NULL,              -- what was judged: tags, decisions and the gate's settings as one hash
    gate VARCHAR NOT NULL CHECK (gate IN ('better', 'not-worse', 'off')),
    passed BOOLEAN NOT NULL,
    verdict VARCHAR NOT NULL,           -- better, not worse, worse, not shown, nothing to drop, not judged
    reason VARCHAR NOT NULL,            -- one paragraph for people
    trusted BOOLEAN NOT NULL,           -- whether trusted rows judged
    judge VARCHAR NOT NULL,             -- the model that was trained again
    margin DOUBLE,                      -- rise of the mean loss that still counts as not worse
    proposed BIGINT NOT NULL,           -- rows that the rule may drop and nobody decided on
    allowed BIGINT NOT NULL,            -- of these, rows up to the stopping point; 0 where the gate refused
    choosing_rows BIGINT NOT NULL,      -- reference rows that chose the stopping point
    judging_rows BIGINT NOT NULL,       -- other reference rows, that judged the result
    seeds INTEGER NOT NULL,
    detail JSON,
    judged_at TIMESTAMP NOT NULL
);

CREATE TABLE IF NOT EXISTS gate_effects (       -- paired differences on the judging rows, positive = the first is better
    run_id VARCHAR NOT NULL,
    comparison VARCHAR NOT NULL,        -- cleaned less all, less decisions alone, less random; random less all
    judged_on VARCHAR NOT NULL,         -- reference rows; without trusted ones: agreeing rows, all rows
    judge VARCHAR NOT NULL,
    metric VARCHAR NOT NULL,            -- log_loss, accuracy, macro_f1; regression: rmse, mae
    first DOUBLE,                       -- the metric itself of the first side,
    second DOUBLE,                      -- and of the second
    effect DOUBLE,                      -- how much better the first is: a fall of a loss, a rise of an accuracy
    low DOUBLE,                         -- of its 95 % interval, over reference rows and seeds
    high DOUBLE
);

CREATE TABLE IF NOT EXISTS gate_curve (         -- mean loss on the choosing rows, round by round
    run_id VARCHAR NOT NULL,
    arm VARCHAR NOT NULL CHECK (arm IN ('cleaned', 'random')),
    removed BIGINT NOT NULL,
    loss DOUBLE,
    effect DOUBLE,                      -- fall of the loss against removing nothing, positive = better
    low DOUBLE,
    high DOUBLE,
    chosen BOOLEAN NOT NULL
);

CREATE TABLE IF NOT EXISTS held_back (run_id VARCHAR NOT NULL, row_id VARCHAR NOT NULL, reason VARCHAR NOT NULL);

CREATE TABLE IF NOT EXISTS calibration (        -- what to expect of the most suspicious rows, by planted wrong labels
    run_id VARCHAR NOT NULL,
    budget BIGINT NOT NULL,             -- so many of the most suspicious rows are reviewed
    precision_expected DOUBLE,          -- share of them that is wrong
    precision_low DOUBLE,
    precision_high DOUBLE,
    wrong_expected DOUBLE,              -- precision times budget
    suspicion DOUBLE                    -- of the last of them
);

CREATE TABLE IF NOT EXISTS faithfulness (       -- removals foretold, and done
    run_id VARCHAR NOT NULL,
    proxy VARCHAR NOT NULL,
    kind VARCHAR NOT NULL CHECK (kind IN ('row', 'subset', 'dropped')),
    rows BIGINT NOT NULL,               -- removed together
    predicted DOUBLE NOT NULL,          -- rise of the mean reference loss by their influence
    real DOUBLE NOT NULL,               -- the same after training again without them
    row_id VARCHAR                      -- where it is a single row
);

ALTER TABLE runs ADD COLUMN IF NOT EXISTS onto VARCHAR;                       -- of a batch: the full run that it came onto
ALTER TABLE runs ADD COLUMN IF NOT EXISTS keeps_data BOOLEAN DEFAULT true;    -- false: only ids, hashes and scores lie here
ALTER TABLE runs ADD COLUMN IF NOT EXISTS forgotten_at TIMESTAMP;            -- when its scores were pruned; NULL: they are there
ALTER TABLE decisions ALTER COLUMN reviewed_by SET DEFAULT coalesce(getvariable('reviewer')::VARCHAR, current_user);

CREATE TABLE IF NOT EXISTS drifts (             -- where a batch differs from what its data set was so far
    run_id VARCHAR NOT NULL,
    source VARCHAR NOT NULL,            -- the batch's file, or the value of the column that names sources
    what VARCHAR NOT NULL,              -- margin, wrong labels, or a confusion such as `cat -> dog`
    rows BIGINT NOT NULL,               -- rows of the batch that were compared
    expected DOUBLE,                    -- of the data set so far,
    found DOUBLE,                       -- and of the batch
    statistic DOUBLE,
    p_value DOUBLE,
    since TIMESTAMP NOT NULL            -- when the first of the source's latest drifting batches came
);

CREATE TABLE IF NOT EXISTS arrivals (           -- files that a watched folder was seen to hold, once each
    folder VARCHAR NOT NULL,
    file VARCHAR NOT NULL,              -- its path within the folder
    bytes BIGINT NOT NULL,
    modified_at TIMESTAMP NOT NULL,
    checksum VARCHAR NOT NULL,
    noticed_at TIMESTAMP NOT NULL,
    run_id VARCHAR                      -- the run that took it in; NULL: not yet
);
ALTER TABLE arrivals ADD COLUMN IF NOT EXISTS error VARCHAR;                  -- why it cannot be taken in; NULL: nothing wrong
ALTER TABLE arrivals ADD COLUMN IF NOT EXISTS options VARCHAR;                -- hash of the options with which it cannot

CREATE TABLE IF NOT EXISTS carried (            -- rows of a batch that were scored before with the same content
    run_id VARCHAR NOT NULL,
    row_id VARCHAR NOT NULL,
    from_run VARCHAR NOT NULL           -- the run whose scores they carry on
);

UPDATE meta SET schema_version = 4;
