-- From where a row counts as memorized, when nobody says so: the upper fence of this run's own memorization, Q3 + 1.5 (Q3 - Q1)
-- (Tukey 1977), over the rows whose label is not doubted. Classes by the dozen, trees and short texts make every row
-- lean on itself a little; memorized are those that stand out. Never below .14, where some 95 % of the wrong labels of digits, wine and
-- breast_cancer lie above it, nor beyond .5, where the row alone decides.
SELECT coalesce(least(0.5, greatest(0.14, q[2] + 1.5 * (q[2] - q[1]))), 0.14)
FROM (SELECT quantile_cont(memorization, [0.25, 0.75]) AS q FROM scores WHERE coalesce(probability_wrong, 0) < 0.5)
