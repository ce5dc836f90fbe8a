-- Nothing but the code of the firm is known: no industry, no age. Known from its first statement on.
SELECT company_name AS customer_id,
       make_date(min(year) + 1, 3, 31)::TIMESTAMP AS known_at,
       company_name AS name,
       'company' AS kind
FROM 'firm_years_1999_2014.parquet'
GROUP BY company_name
