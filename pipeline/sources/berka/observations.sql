-- One observation a loan of 1997-98, asked at the start of its day; bad: status B (finished, not paid) or D (running, in debt at the end of 1998). The
-- number before the loan's is its place in the file, so that folds drawn in the order of observation_id are those of the published protocol.
WITH numbered AS (
    SELECT *, row_number() OVER () AS line FROM read_csv('loan.asc', delim = ';', header = true, all_varchar = true, parallel = false)
),
loans AS (
    SELECT *, row_number() OVER (ORDER BY line) AS place FROM numbered
    WHERE account_id IN (SELECT account_id FROM read_csv('trans_preloan_1997_1998_FEUP_competition.csv', delim = ';', header = true, all_varchar = true))
)
SELECT lpad(place::VARCHAR, 4, '0') || '-' || loan_id AS observation_id,
       account_id AS customer_id,
       strptime(date, '%y%m%d') AS as_of,
       amount::DOUBLE AS loan_amount,
       duration::DOUBLE AS loan_months,
       payments::DOUBLE AS loan_payment,
       (status IN ('B', 'D'))::INTEGER AS target,
       -- A finished loan's end is its outcome; that of a running one is the file's last day.
       CASE WHEN status IN ('A', 'B') THEN strptime(date, '%y%m%d') + to_months(duration::INTEGER) ELSE TIMESTAMP '1998-12-31' END AS target_known_at
FROM loans
