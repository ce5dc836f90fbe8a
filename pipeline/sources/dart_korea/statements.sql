-- One row a firm, period, basis and version. A report gives its own year (thstrm) and the two before it (frmtrm, bfefrmtrm): what it says of an
-- earlier year is a row of its own, known with that report, wherever it differs from the version known before; a line it does not repeat stays
-- as it was. Amounts stand in the currency of the report; nothing is converted.
WITH amounts AS (
    SELECT *, 0 AS years_back, thstrm_dt AS period, thstrm_amount AS amount FROM 'statements_2015_2019.parquet'
    UNION ALL SELECT *, 1, frmtrm_dt, frmtrm_amount FROM 'statements_2015_2019.parquet'
    UNION ALL SELECT *, 2, bfefrmtrm_dt, bfefrmtrm_amount FROM 'statements_2015_2019.parquet'
),
lines AS (
    SELECT lpad(stock_code, 6, '0') AS customer_id,
           corp_code,
           bsns_year::INTEGER AS report_year,
           strptime(left(rcept_no, 8), '%Y%m%d')::DATE AS filed_on,
           CASE fs_nm WHEN '재무제표' THEN 'separate' WHEN '연결재무제표' THEN 'consolidated' END AS basis,  -- fs_div says CFS on every line
           coalesce(currency, 'KRW') AS currency,
           years_back,
           account_nm,
           CASE WHEN period LIKE '%~%' THEN strptime(left(period, 10), '%Y.%m.%d')::DATE END AS first_day,
           strptime(regexp_extract(period, '(\d{4}\.\d\d\.\d\d)[^~]*$', 1), '%Y.%m.%d')::DATE AS last_day,
           try_cast(replace(amount, ',', '') AS DOUBLE) AS amount  -- a dash: none given
    FROM amounts
    WHERE period IS NOT NULL
    -- Where a report has both, the separate one: the firm that is delisted, the basis of the cash flows, and what every firm but a few foreign ones files.
    QUALIFY fs_nm = '재무제표' OR count(*) FILTER (fs_nm = '재무제표') OVER (PARTITION BY stock_code, bsns_year) = 0
),
reports AS (
    SELECT customer_id, corp_code, report_year, basis, currency, years_back,
           -- An opening balance restated under a new accounting standard is dated 1 January: the close of the day before.
           max(CASE WHEN day(last_day) = 1 THEN last_day - 1 ELSE last_day END) AS period_end,
           greatest(coalesce(round((max(last_day) FILTER (first_day IS NOT NULL) - min(first_day) + 1) / 30.44), 12), 1)::BIGINT AS period_months,
           min(filed_on) AS filed_on,
           max(amount) FILTER (account_nm = '유동자산') AS current_assets,
           max(amount) FILTER (account_nm = '비유동자산') AS non_current_assets,
           max(amount) FILTER (account_nm = '자산총계') AS total_assets,
           max(amount) FILTER (account_nm = '유동부채') AS current_liabilities,
           max(amount) FILTER (account_nm = '비유동부채') AS non_current_liabilities,
           max(amount) FILTER (account_nm = '부채총계') AS total_liabilities,
           max(amount) FILTER (account_nm = '자본금') AS paid_in_capital,
           max(amount) FILTER (account_nm = '이익잉여금') AS retained_earnings,
           max(amount) FILTER (account_nm = '자본총계') AS equity,
           max(amount) FILTER (account_nm = '매출액') AS revenue,
           max(amount) FILTER (account_nm = '영업이익') AS ebit,
           max(amount) FILTER (account_nm = '법인세차감전 순이익') AS pretax_income,
           max(amount) FILTER (account_nm IN ('당기순이익', '당기순이익(손실)')) AS net_income  -- one line under two names, everywhere with one amount
    FROM lines
    GROUP BY customer_id, corp_code, report_year, basis, currency, years_back
    HAVING count(amount) > 0
),
cash_flows AS (
    -- Of the separate statements: no firm that files consolidated ones only has any. Where a firm changed its year two periods share one, and
    -- nothing says which is the statement's: left out.
    SELECT corp_code,
           bsns_year::INTEGER AS report_year,
           any_value("기말의현금")::DOUBLE AS cash,
           any_value("영업활동현금흐름")::DOUBLE AS operating_cash_flow,
           any_value("투자활동현금흐름")::DOUBLE AS investing_cash_flow,
           any_value("재무활동현금흐름")::DOUBLE AS financing_cash_flow
    FROM read_csv('cash_flows_2015_2019.csv', header = true, all_varchar = true)
    GROUP BY corp_code, bsns_year
    HAVING count(*) = 1
),
dated AS (
    SELECT reports.* EXCLUDE (corp_code, filed_on),
           -- The number is that of the latest amendment and the day of the first filing is lost: taken as known by 31 March, the legal due date.
           least(filed_on, make_date(reports.report_year + 1, 3, 31)) AS known_at,
           cash_flows.* EXCLUDE (corp_code, report_year)
    FROM reports
    LEFT JOIN cash_flows ON cash_flows.corp_code = reports.corp_code AND cash_flows.report_year = reports.report_year
                        AND years_back = 0 AND basis = 'separate'
    -- Two reports of one day: the later year's has the last word.
    QUALIFY row_number() OVER (PARTITION BY customer_id, basis, period_end, period_months, known_at ORDER BY reports.report_year DESC, years_back) = 1
),
carried AS (
    SELECT customer_id, basis, period_end, period_months, known_at, currency,
           last_value(COLUMNS(* EXCLUDE (customer_id, basis, period_end, period_months, known_at, currency, report_year, years_back)) IGNORE NULLS)
               OVER (PARTITION BY customer_id, basis, period_end, period_months, currency ORDER BY known_at)
    FROM dated
),
versions AS (
    SELECT *, (currency, list_value(*COLUMNS(* EXCLUDE (customer_id, basis, period_end, period_months, known_at, currency)))) AS said FROM carried
)
SELECT * EXCLUDE (said) REPLACE (period_end::TIMESTAMP AS period_end, known_at::TIMESTAMP AS known_at), 'dart' AS source
FROM versions
QUALIFY said IS DISTINCT FROM lag(said) OVER (PARTITION BY customer_id, basis, period_end, period_months ORDER BY known_at)
