-- One row a listed firm, public knowledge from the close of its first fiscal year in the file. Stock codes lost leading zeros in some tables: six digits
-- throughout. A code that begins with 9 is a foreign firm's (Korea Exchange). Nothing else is given: no industry, no founding day.
SELECT lpad(stock_code, 6, '0') AS customer_id,
       min(strptime(regexp_extract(thstrm_dt, '(\d{4}\.\d\d\.\d\d)[^~]*$', 1), '%Y.%m.%d')) AS known_at,
       arg_max(corp_name, bsns_year) AS name,
       'company' AS kind,
       CASE WHEN lpad(stock_code, 6, '0') LIKE '9%' THEN 'foreign' ELSE 'Korea' END AS region
FROM 'statements_2015_2019.parquet'
GROUP BY ALL
