-- The bank charges penalty interest for a negative balance: a dated event against the customer, beside its transaction.
SELECT trans_id AS event_id,
       account_id AS customer_id,
       strptime(date, '%y%m%d') AS occurred_at,
       strptime(date, '%y%m%d') + INTERVAL '23:59:59' AS known_at,
       'sanction_interest' AS kind,
       (amount::DECIMAL(18, 2) * 100)::BIGINT AS amount
FROM (FROM read_csv('trans_preloan_1997_1998_FEUP_competition.csv', delim = ';', header = true, all_varchar = true)
      UNION ALL FROM read_csv('trans_19930101_19940331_partial.asc', delim = ';', header = true, all_varchar = true))
WHERE k_symbol IN ('sanction interest if negative balance', 'SANKC. UROK')
