-- One observation a firm-year: the day its statement is known.
SELECT company_name || '@' || year AS observation_id,
       company_name AS customer_id,
       make_date(year + 1, 3, 31)::TIMESTAMP AS as_of
FROM 'firm_years_1999_2014.parquet'
