-- One score's distribution in $bins equal bins, and how many rows of each the rule calls harmful. Placeholder: {score}.
WITH own AS (SELECT {score} AS value, harmful FROM judged WHERE isfinite({score})),
ends AS (SELECT min(value) AS low, greatest((max(value) - min(value)) / $bins, 1e-12) AS width FROM own),
binned AS (SELECT least(floor((value - low) / width), $bins - 1) AS bin, low, width, harmful FROM own, ends)
SELECT any_value(low + bin * width) AS "from", any_value(low + (bin + 1) * width) AS "to",
       count(*) AS rows, count(*) FILTER (harmful) AS harmful
FROM binned GROUP BY bin ORDER BY bin
