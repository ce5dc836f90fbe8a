-- One observation a client, as of the last bill, in NT dollars. The second line of the file is its header. The id is padded so that its order as text
-- is the file's, in which the published splits draw. `_now` is September 2005, `_1m` a month before, `_5m` April; a payment of a month answers the
-- bill of the month before. Status: -2 no use, -1 paid in full, 0 revolving (only -1 and 1 to 9 are documented), from 1 on the months of delay.
WITH clients AS (
    SELECT *,
           [BILL_AMT1, BILL_AMT2, BILL_AMT3, BILL_AMT4, BILL_AMT5, BILL_AMT6] AS bills,
           [PAY_AMT1, PAY_AMT2, PAY_AMT3, PAY_AMT4, PAY_AMT5, PAY_AMT6] AS paid,
           [PAY_0, PAY_2, PAY_3, PAY_4, PAY_5, PAY_6] AS statuses
    FROM read_csv('default_of_credit_card_clients.csv', skip = 1, header = true)
)
SELECT lpad(ID::VARCHAR, 5, '0') AS observation_id,
       lpad(ID::VARCHAR, 5, '0') AS customer_id,
       TIMESTAMP '2005-09-30' AS as_of,
       "default payment next month" AS target,
       TIMESTAMP '2005-10-31' AS target_known_at,
       CASE EDUCATION WHEN 1 THEN 'graduate school' WHEN 2 THEN 'university' WHEN 3 THEN 'high school' WHEN 4 THEN 'other'
                      ELSE 'undocumented code ' || EDUCATION END AS education,
       PAY_0 AS status_now, PAY_2 AS status_1m, PAY_3 AS status_2m, PAY_4 AS status_3m, PAY_5 AS status_4m, PAY_6 AS status_5m,
       BILL_AMT1 AS bill_now, BILL_AMT2 AS bill_1m, BILL_AMT3 AS bill_2m, BILL_AMT4 AS bill_3m, BILL_AMT5 AS bill_4m, BILL_AMT6 AS bill_5m,
       PAY_AMT1 AS paid_now, PAY_AMT2 AS paid_1m, PAY_AMT3 AS paid_2m, PAY_AMT4 AS paid_3m, PAY_AMT5 AS paid_4m, PAY_AMT6 AS paid_5m,
       -- What a credit officer reads off these: how much of the limit is used, how much of a bill is paid, and how the status moves.
       list_avg(bills) / LIMIT_BAL AS use_mean,
       list_max(bills) / LIMIT_BAL AS use_highest,
       list_min(bills) / LIMIT_BAL AS use_lowest,
       (BILL_AMT1 - BILL_AMT2) / LIMIT_BAL AS use_change_1m,
       (BILL_AMT1 - BILL_AMT6) / LIMIT_BAL AS use_change_5m,
       PAY_AMT1 / nullif(greatest(BILL_AMT2, 0), 0) AS paid_of_bill_now,
       list_sum(paid[1:5]) / nullif(list_sum(list_transform(bills[2:6], lambda bill: greatest(bill, 0))), 0) AS paid_of_bills,
       list_sum(paid) / LIMIT_BAL AS paid_to_limit,
       list_min(paid) AS paid_least,
       len(list_filter(paid, lambda amount: amount = 0)) AS months_without_payment,
       len(list_filter(statuses, lambda status: status > 0)) AS months_late,
       list_position(list_transform(statuses, lambda status: status > 0), true) - 1 AS months_since_late,
       list_max(statuses) AS status_worst,
       list_avg(statuses) AS status_mean,
       PAY_0 - (PAY_2 + PAY_3) / 2.0 AS status_change
FROM clients
