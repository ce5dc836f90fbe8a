-- An involuntary delisting is the failure. 25 of the 109 are not: dissolved by merger ('해산 사유 발생') or expired as planned ('존속기간 만료'). They keep
-- kinds of their own, which no target reads. One of the dissolved is a bankruptcy all the same (117930, Hanjin Shipping, 2017-03-07); the published
-- protocol leaves it out and so does this. The day of the decision is not given: known on the day of the delisting.
SELECT lpad("종목코드", 6, '0') AS customer_id,
       CASE WHEN "폐지사유" LIKE '%해산 사유%' THEN 'dissolution' WHEN "폐지사유" LIKE '%존속기간%' THEN 'expiry' ELSE 'default' END AS kind,
       "폐지일자"::TIMESTAMP AS occurred_at,
       "폐지일자"::TIMESTAMP AS known_at
FROM read_csv('delistings_2016_2023.csv', header = true, all_varchar = true)
