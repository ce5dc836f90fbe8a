-- Two files in two languages: every transaction before the loan for the loans of 1997-98 (English codes), and everything from 1993-01-01 to 1994-03-31
-- (Czech codes). Amounts are positive in the files; the type gives the sign, and 'withdrawal in cash' / 'VYBER' is a type of its own beside
-- 'withdrawal' / 'VYDAJ'. Haléře are the minor units.
WITH moves AS (
    SELECT *, CASE WHEN type IN ('credit', 'PRIJEM') THEN amount::DECIMAL(18, 2) ELSE -amount::DECIMAL(18, 2) END AS signed,
           strptime(date, '%y%m%d') AS day
    FROM (FROM read_csv('trans_preloan_1997_1998_FEUP_competition.csv', delim = ';', header = true, all_varchar = true)
          UNION ALL FROM read_csv('trans_19930101_19940331_partial.asc', delim = ';', header = true, all_varchar = true))
),
placed AS (
    -- The files give days and no order within them. The balance nearest to the sum of all amounts so far closed the day: that row goes last, and
    -- a row's place in its day stands as seconds after midnight.
    SELECT *, row_number() OVER (PARTITION BY account_id, day ORDER BY abs(balance::DECIMAL(18, 2) - sum_so_far) DESC, trans_id::BIGINT) - 1 AS place
    FROM (SELECT *, sum(signed) OVER (PARTITION BY account_id ORDER BY day RANGE UNBOUNDED PRECEDING) AS sum_so_far FROM moves)
)
SELECT trans_id AS transaction_id,
       account_id AS customer_id,
       day + to_seconds(place) AS occurred_at,
       day + INTERVAL '23:59:59' AS known_at,  -- booked by the end of its day
       (signed * 100)::BIGINT AS amount,
       'CZK' AS currency,
       CASE WHEN k_symbol IN ('interest credited', 'UROK') THEN 'interest'
            WHEN k_symbol IN ('sanction interest if negative balance', 'SANKC. UROK') THEN 'sanction_interest'
            WHEN k_symbol IN ('payment for statement', 'SLUZBY') THEN 'statement_fee'
            WHEN k_symbol IN ('household', 'SIPO') THEN 'household'
            WHEN k_symbol IN ('insurrance payment', 'POJISTNE') THEN 'insurance'
            WHEN k_symbol = 'DUCHOD' THEN 'pension'
            WHEN k_symbol = 'UVER' THEN 'loan_payment'
       END AS kind,
       bank || '-' || account AS counterparty_id,
       CASE WHEN operation IN ('credit in cash', 'VKLAD') THEN 'cash_deposit'
            WHEN operation IN ('withdrawal in cash', 'VYBER') THEN 'cash_withdrawal'
            WHEN operation IN ('credit card withdrawal', 'VYBER KARTOU') THEN 'card_withdrawal'
            WHEN operation IN ('collection from another bank', 'PREVOD Z UCTU') THEN 'transfer_in'
            WHEN operation IN ('remittance to another bank', 'PREVOD NA UCET') THEN 'transfer_out'
       END AS channel,
       (balance::DECIMAL(18, 2) * 100)::BIGINT AS balance
FROM placed
