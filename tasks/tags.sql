-- The rule: which rows are memorized, which are harmful, and why. Pass your own as `rule`: one SELECT over `scores` that returns
-- row_id, memorized, harmful, reason, and `tag` if its own word shall stand in place of the corner's. It sees the tables scores, proxy_scores and rows
-- of this run, and may use any of the parameters named below; rows it leaves out count as neither.
--   $run_id, $task ('classification' or 'regression'), $trusted_reference (true: the reference rows come from a trusted file),
--   $memorization_threshold, $false_discovery_rate, $probability_wrong_threshold,
--   $influence_is_faithful (false: training again without some rows contradicted what influence had foretold)
--
-- memorized: P(own label) falls by at least the threshold when the row is left out (Feldman & Zhang 2020, who take .25 for deep networks).
--   Unless you give one, it is chosen from the run itself: usual_memorization.sql.
-- harmful: the row has negative influence, and one of two things holds, each with its false-discovery rate held.
--   contradicted: the row's own label is contradicted out of sample. Rows are taken from the most probably wrong one down for as long as
--     the mean probability of being right stays within $false_discovery_rate (the Bayesian rate, Newton et al. 2004), and
--     never below $probability_wrong_threshold.
--   significant, with trusted reference rows only: the harm to them is beyond chance. Of all rows called so at most a share of
--     $false_discovery_rate is expected to be wrongly called so (Benjamini & Hochberg 1995, over one-sided p-values).
--     Where influence is not faithful, this alone condemns nothing: the row must be contradicted as well.
--   Influence on untrusted rows is weak evidence: there it can acquit a row, and never condemns one by itself.
WITH candidates AS (
    SELECT * FROM scores WHERE run_id = $run_id
),
ranked AS (
    SELECT row_id, influence_p_value AS p,
           row_number() OVER (ORDER BY influence_p_value) AS place,
           count(*) OVER () AS tests
    FROM candidates WHERE influence_p_value IS NOT NULL
),
significant AS (
    SELECT max(p) AS limit_p FROM ranked WHERE p <= $false_discovery_rate * place / tests
),
contradicted AS (
    SELECT row_id, avg(1 - probability_wrong) OVER (ORDER BY probability_wrong DESC) AS expected_false
    FROM candidates WHERE probability_wrong IS NOT NULL
),
weighed AS (
    SELECT c.*,
           coalesce($trusted_reference AND c.influence_p_value <= s.limit_p, false) AS significant,
           coalesce(c.probability_wrong >= $probability_wrong_threshold AND w.expected_false <= $false_discovery_rate, false)
               AS contradicted
    FROM candidates c CROSS JOIN significant s LEFT JOIN contradicted w USING (row_id)
),
judged AS (
    SELECT *,
           coalesce(memorization >= $memorization_threshold, false) AS memorized,
           coalesce(influence < 0, false) AND (significant AND $influence_is_faithful OR contradicted) AS harmful
    FROM weighed
)
SELECT row_id, memorized, harmful,
       concat_ws('; ',
           CASE WHEN harmful AND significant
                THEN format('harms the trusted reference rows (influence {:.2g}, p {:.2g})', influence, influence_p_value)
                     || CASE WHEN $influence_is_faithful THEN '' ELSE ', which training again did not bear out' END END,
           CASE WHEN harmful AND contradicted
                THEN format('contradicted out of sample (wrong with probability {:.2f}) and harms held-out rows', probability_wrong) END,
           CASE WHEN memorized
                THEN format('the model needs the row itself to get it right (memorization {:.2f})', memorization) END,
           CASE WHEN harmful AND $task = 'classification' AND suggested_label <> given_label
                THEN format('{} fits better (probability {:.2f})', suggested_label, suggested_probability) END,
           CASE WHEN harmful AND $task = 'regression' AND suggested_label IS NOT NULL
                THEN format('{} was expected', suggested_label) END
       ) AS reason
FROM judged
