-- The four corners of memorized and harmful; only harmful rows may be dropped without a person, and trusted rows never.
CREATE TABLE tags AS
SELECT s.row_id,
       coalesce(r.memorized, false) AS memorized,
       coalesce(r.harmful, false) AS harmful,
       CASE WHEN r.memorized AND r.harmful THEN 'mislabeled'
            WHEN r.harmful THEN 'systematic_error'
            WHEN r.memorized THEN 'rare_but_useful'
            ELSE 'neither' END AS corner,
       coalesce(r.tag, corner) AS tag,
       r.reason,
       coalesce(r.harmful AND NOT w.is_reference, false) AS droppable
FROM scores s
LEFT JOIN ruled r ON r.row_id = s.row_id
LEFT JOIN rows w ON w.row_id = s.row_id
