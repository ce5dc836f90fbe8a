-- One observation a firm-year with a separate statement in won: 1 April after the year, the day after the legal due date.
SELECT DISTINCT lpad(stock_code, 6, '0') || '@' || bsns_year AS observation_id,
       lpad(stock_code, 6, '0') AS customer_id,
       make_date(bsns_year::INTEGER + 1, 4, 1)::TIMESTAMP AS as_of
FROM 'statements_2015_2019.parquet'
WHERE fs_nm = '재무제표' AND coalesce(currency, 'KRW') = 'KRW'
