-- Replaces everything that scoring and tagging say of one run; the relations new_tags, new_evidence,
-- new_calibration, new_faithfulness and new_carried are at hand. What a gate held back of a row that is carried on stays so.
DELETE FROM scores WHERE run_id = {run};
DELETE FROM proxy_scores WHERE run_id = {run};
DELETE FROM learning WHERE run_id = {run};
DELETE FROM reference_influences WHERE run_id = {run};
DELETE FROM tags WHERE run_id = {run};
DELETE FROM evidence WHERE run_id = {run};
DELETE FROM outcomes WHERE run_id = {run};
DELETE FROM gates WHERE run_id = {run};
DELETE FROM gate_effects WHERE run_id = {run};
DELETE FROM gate_curve WHERE run_id = {run};
DELETE FROM held_back WHERE run_id = {run};
DELETE FROM carried WHERE run_id = {run};
DELETE FROM calibration WHERE run_id = {run};
DELETE FROM faithfulness WHERE run_id = {run};
INSERT INTO scores BY NAME {scores};
INSERT INTO proxy_scores BY NAME {proxy_scores};
INSERT INTO learning BY NAME {learning};
INSERT INTO reference_influences BY NAME {reference_influences};
INSERT INTO tags BY NAME SELECT {run} AS run_id, * FROM new_tags;
INSERT INTO evidence BY NAME SELECT {run} AS run_id, * FROM new_evidence;
INSERT INTO calibration BY NAME SELECT {run} AS run_id, * FROM new_calibration;
INSERT INTO faithfulness BY NAME SELECT {run} AS run_id, * FROM new_faithfulness;
INSERT INTO carried BY NAME SELECT {run} AS run_id, * FROM new_carried;
INSERT INTO held_back BY NAME
SELECT {run} AS run_id, h.row_id, h.reason FROM held_back h JOIN new_carried c ON c.row_id = h.row_id AND c.from_run = h.run_id;
