-- What to tell of a batch's drifts, a sentence for each.
SELECT 'drift: ' || source || ', since ' || strftime(since, '%Y-%m-%d %H:%M') || ': '
       || CASE WHEN what = 'margin' THEN format('its labels fit otherwise than those so far (median margin {:.2g}, so far {:.2g}; distance {:.2f}', found, expected, statistic)
               WHEN what = 'wrong labels' THEN format('{:.1f} % of its labels are contradicted, so far {:.1f} % (', 100 * found, 100 * expected)
               ELSE format('{}: {:.1f} % of these labels are contradicted so, so far {:.1f} % (', what, 100 * found, 100 * expected) END
       || CASE WHEN what = 'margin' THEN ', ' ELSE '' END || format('{} rows, p {:.1g})', rows, p_value)
FROM drifts WHERE run_id = ? ORDER BY source, p_value, what;
