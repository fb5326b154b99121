-- The store: one DuckDB file with everything culpa knows. Tables are plural, columns singular, times (UTC) end in _at.
-- A training row is named by run_id and row_id. Big tables carry no primary key (a VARCHAR key costs six times the insert):
-- their writers replace a run's rows inside one transaction.

CREATE TABLE meta (magic VARCHAR NOT NULL, schema_version INTEGER NOT NULL);

CREATE TABLE datasets (
    dataset VARCHAR PRIMARY KEY,
    source VARCHAR,
    label VARCHAR,
    key_column VARCHAR,                 -- NULL: rows are named by their content
    task VARCHAR,
    created_at TIMESTAMP NOT NULL
);

CREATE TABLE runs (
    run_id VARCHAR PRIMARY KEY,         -- first 12 hex digits of the fingerprint of data, reference, settings and version
    dataset VARCHAR NOT NULL,
    state VARCHAR NOT NULL CHECK (state IN ('ingested', 'flagged', 'published')),
    source VARCHAR NOT NULL,
    label VARCHAR NOT NULL,
    key_column VARCHAR,
    task VARCHAR NOT NULL CHECK (task IN ('classification', 'regression')),
    settings JSON NOT NULL,
    versions JSON NOT NULL,
    data_fingerprint VARCHAR NOT NULL,
    reference_fingerprint VARCHAR,      -- NULL: no trusted file
    data_table VARCHAR NOT NULL,        -- the data_... table that holds this run's columns
    reference_table VARCHAR,
    arrow_schema BLOB NOT NULL,         -- the input's exact schema, as pyarrow serialises it
    columns JSON NOT NULL,              -- [{name, type, role, used, reason}] in the input's order
    classes JSON NOT NULL,              -- label texts in code order; [] for regression
    row_count BIGINT NOT NULL,
    unlabelled_count BIGINT NOT NULL,
    report JSON,
    warnings JSON NOT NULL,
    created_at TIMESTAMP NOT NULL,
    flagged_at TIMESTAMP,
    published_at TIMESTAMP,
    out VARCHAR
);

CREATE TABLE rows (
    run_id VARCHAR NOT NULL,
    position BIGINT NOT NULL,           -- the row's place in the input, from 0; never its name
    row_id VARCHAR NOT NULL,
    row_hash VARCHAR NOT NULL,
    given_label VARCHAR,                -- NULL: unlabelled, takes no part in training
    duplicate_group BIGINT NOT NULL,    -- rows with exactly equal features share it
    is_reference BOOLEAN NOT NULL       -- the row also lies in the trusted file
);

CREATE TABLE reference_rows (
    run_id VARCHAR NOT NULL,
    position BIGINT NOT NULL,
    row_id VARCHAR NOT NULL,
    row_hash VARCHAR NOT NULL,
    given_label VARCHAR NOT NULL
);

CREATE TABLE scores (
    run_id VARCHAR NOT NULL,
    row_id VARCHAR NOT NULL,
    row_hash VARCHAR NOT NULL,
    given_label VARCHAR NOT NULL,
    suggested_label VARCHAR,
    suggested_probability DOUBLE,
    self_influence DOUBLE,              -- >= 0: how much the fit at the row rests on the row itself
    memorization DOUBLE,                -- P(own label | trained with the row) - P(own label | without it)
    probability_without DOUBLE,         -- P(own label | trained without the row); low = suspicious
    influence DOUBLE,                   -- rise of the mean reference loss were the row removed; positive = the row helps
    influence_se DOUBLE,
    influence_p_value DOUBLE,
    class_influence DOUBLE,             -- least, over classes, of the mean over that class's reference rows
    relative_influence DOUBLE,          -- influence / sqrt(self_influence)
    classification_influence DOUBLE,    -- effect on P(own label) of the reference rows
    loss DOUBLE,
    duplicate_group BIGINT,
    suspicion DOUBLE,                   -- out-of-sample log-odds that another class is the true one; high = suspicious
    probability_wrong DOUBLE
);

CREATE TABLE proxy_scores (
    run_id VARCHAR NOT NULL,
    row_id VARCHAR NOT NULL,
    proxy VARCHAR NOT NULL,
    probability_without DOUBLE,
    memorization DOUBLE,
    self_influence DOUBLE,
    influence DOUBLE,
    influence_se DOUBLE
);

CREATE TABLE tags (
    run_id VARCHAR NOT NULL,
    row_id VARCHAR NOT NULL,
    memorized BOOLEAN NOT NULL,
    harmful BOOLEAN NOT NULL,
    corner VARCHAR NOT NULL CHECK (corner IN ('neither', 'rare_but_useful', 'systematic_error', 'mislabeled')),
    tag VARCHAR,
    reason VARCHAR,
    droppable BOOLEAN NOT NULL
);

CREATE TABLE evidence (
    run_id VARCHAR NOT NULL,
    row_id VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    rank INTEGER NOT NULL,
    other_row_id VARCHAR,               -- NULL: the evidence is a word
    other_is_reference BOOLEAN NOT NULL,
    value DOUBLE
);

CREATE TABLE rounds (
    run_id VARCHAR NOT NULL,
    round INTEGER NOT NULL,
    removed BIGINT NOT NULL,
    threshold DOUBLE,
    accepted BOOLEAN,
    detail JSON
);

CREATE TABLE round_removals (run_id VARCHAR NOT NULL, round INTEGER NOT NULL, row_id VARCHAR NOT NULL);

CREATE SEQUENCE decision_number;

CREATE TABLE decisions (                -- append-only: the latest decision on a row is the one that counts
    decision_id BIGINT NOT NULL DEFAULT nextval('decision_number'),
    row_id VARCHAR NOT NULL,
    row_hash VARCHAR,                   -- the content the person saw: another content makes the decision stale
    dataset VARCHAR,                    -- these two may be left out in plain SQL: then it is the row as it stood at reviewed_at
    decision VARCHAR NOT NULL CHECK (decision IN ('keep', 'drop', 'relabel', 'defer')),
    new_label VARCHAR,
    reviewed_by VARCHAR NOT NULL CHECK (trim(reviewed_by) <> ''),
    reviewed_at TIMESTAMP NOT NULL DEFAULT (now() AT TIME ZONE 'UTC'),
    note VARCHAR,
    CHECK ((decision = 'relabel') = (new_label IS NOT NULL))
);

CREATE TABLE outcomes (                 -- what the last publish of a run did; a row that is not listed passed through untouched
    run_id VARCHAR NOT NULL,
    row_id VARCHAR NOT NULL,
    outcome VARCHAR NOT NULL CHECK (outcome IN ('dropped', 'relabelled', 'kept')),
    decision_id BIGINT,                 -- NULL: the rule alone decided
    reason VARCHAR
);
