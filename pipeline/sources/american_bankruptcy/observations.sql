-- One observation a firm-year from fiscal 2003 on: the day its statement is known. Of firms with earlier statements hardly a failure was collected (fiscal 1999
-- 0.06 %, 2003 0.6 %, 2007 1.5 %), so that most of their failures would stand as good ones; the statements themselves serve the later years' changes.
SELECT company_name || '@' || year AS observation_id,
       company_name AS customer_id,
       make_date(year + 1, 3, 31)::TIMESTAMP AS as_of
FROM 'firm_years_1999_2014.parquet'
WHERE year >= 2003
