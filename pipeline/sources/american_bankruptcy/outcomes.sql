-- The file gives the last fiscal year before the failure; the failure is dated to the end of the following fiscal year, and known that day.
SELECT company_name AS customer_id,
       'default' AS kind,
       make_date(last_fiscal_year + 1, 12, 31)::TIMESTAMP AS occurred_at,
       make_date(last_fiscal_year + 1, 12, 31)::TIMESTAMP AS known_at
FROM read_csv('failures_to_2014.csv', header = true)
