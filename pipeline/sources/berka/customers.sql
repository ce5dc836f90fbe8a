-- A customer is an account, and its person the owner. What changes is a later row: a card from its issue, a permanent order from its first execution,
-- a district's figures of a year from 31 March after it. What has no date is left out: the other persons of an account, and the orders that no
-- transaction shows. The owner's birth number tells sex and age, on which a lender may not build: left out too.
WITH accounts AS (
    SELECT account_id AS customer_id, strptime(account.date, '%y%m%d') AS opened_on, frequency, A3, A4, A10, A11, A12, A13, A14, A15, A16
    FROM read_csv('account.asc', delim = ';', header = true, all_varchar = true) account
    JOIN read_csv('disp.asc', delim = ';', header = true, all_varchar = true) disp USING (account_id)
    JOIN read_csv('client.asc', delim = ';', header = true, all_varchar = true) client USING (client_id)
    JOIN read_csv('district.asc', delim = ';', header = true, all_varchar = true) district ON district.A1 = client.district_id
    WHERE disp.type = 'OWNER'
),
cards AS (
    SELECT account_id AS customer_id, strptime(left(issued, 6), '%y%m%d') + INTERVAL '23:59:59' AS since, max(card.type) AS card
    FROM read_csv('card.asc', delim = ';', header = true, all_varchar = true) card
    JOIN read_csv('disp.asc', delim = ';', header = true, all_varchar = true) disp USING (disp_id)
    GROUP BY ALL
),
orders AS (
    SELECT account_id AS customer_id, order_id, any_value("order".amount)::DOUBLE AS amount, min(strptime(date, '%y%m%d')) + INTERVAL '23:59:59' AS since
    FROM read_csv('order.asc', delim = ';', header = true, all_varchar = true) "order"
    JOIN (FROM read_csv('trans_preloan_1997_1998_FEUP_competition.csv', delim = ';', header = true, all_varchar = true)
          UNION ALL FROM read_csv('trans_19930101_19940331_partial.asc', delim = ';', header = true, all_varchar = true)) moves
      USING (account_id)
    WHERE moves.bank = bank_to AND moves.account = account_to AND moves.amount::DOUBLE = "order".amount::DOUBLE
    GROUP BY ALL
),
changes AS (
    SELECT customer_id, opened_on AS since, 0 AS standing_orders, 0.0::DOUBLE AS standing_orders_amount FROM accounts
    UNION ALL BY NAME SELECT customer_id, since, card FROM cards
    UNION ALL BY NAME
    SELECT customer_id, since, count(*) OVER (PARTITION BY customer_id ORDER BY since) AS standing_orders,
           sum(amount) OVER (PARTITION BY customer_id ORDER BY since) AS standing_orders_amount
    FROM orders
    UNION ALL BY NAME
    SELECT customer_id, greatest(opened_on, TIMESTAMP '1996-03-31') AS since, try_cast(A12 AS DOUBLE) AS district_unemployment,
           1000 * try_cast(A15 AS DOUBLE) / A4::DOUBLE AS district_crimes_per_1000, 1995 AS year
    FROM accounts
    UNION ALL BY NAME
    SELECT customer_id, greatest(opened_on, TIMESTAMP '1997-03-31') AS since, try_cast(A13 AS DOUBLE) AS district_unemployment,
           1000 * try_cast(A16 AS DOUBLE) / A4::DOUBLE AS district_crimes_per_1000, A4::DOUBLE AS district_inhabitants,
           A10::DOUBLE AS district_urban_percent, A11::DOUBLE AS district_salary, A14::DOUBLE AS district_entrepreneurs_per_1000, 1996 AS year
    FROM accounts
),
days AS (
    -- Several changes of one day: the latest figures.
    SELECT customer_id, since, arg_max(COLUMNS(* EXCLUDE (customer_id, since, year)), coalesce(year, 0)) FROM changes GROUP BY customer_id, since
),
states AS (
    SELECT customer_id, since, last_value(COLUMNS(* EXCLUDE (customer_id, since)) IGNORE NULLS) OVER (PARTITION BY customer_id ORDER BY since) FROM days
)
SELECT customer_id,
       since AS known_at,
       'person' AS kind,
       A3 AS region,
       opened_on AS onboarded_on,
       CASE frequency WHEN 'POPLATEK MESICNE' THEN 'monthly' WHEN 'POPLATEK TYDNE' THEN 'weekly' WHEN 'POPLATEK PO OBRATU' THEN 'after transaction' END
           AS statement_issued,
       states.* EXCLUDE (customer_id, since)
FROM states
JOIN accounts USING (customer_id)
