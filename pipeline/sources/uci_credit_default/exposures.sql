-- One row a client and month end: the bill of that month and the limit, in NT dollar cents. The file has months and no days, so each bill is
-- dated to the end of its month; it gives one limit, which is taken to have held all six months. A bill below zero is an overpaid account.
WITH clients AS (
    FROM read_csv('default_of_credit_card_clients.csv', skip = 1, header = true)
), bills AS (
    SELECT ID, LIMIT_BAL, unnest([BILL_AMT6, BILL_AMT5, BILL_AMT4, BILL_AMT3, BILL_AMT2, BILL_AMT1]) AS bill, generate_subscripts([1, 2, 3, 4, 5, 6], 1) AS place
    FROM clients
)
SELECT lpad(ID::VARCHAR, 5, '0') AS customer_id,
       last_day(make_date(2005, 3 + place::INTEGER, 1))::TIMESTAMP AS known_at,
       LIMIT_BAL::BIGINT * 100 AS "limit",
       bill::BIGINT * 100 AS exposure,
       'TWD' AS currency
FROM bills
