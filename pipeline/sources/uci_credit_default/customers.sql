-- Sex, marital status and age are in the file and left out here: see docs/sources/uci_credit_default.md. A client is known from its first bill on.
SELECT lpad(ID::VARCHAR, 5, '0') AS customer_id,
       TIMESTAMP '2005-04-30' AS known_at,
       'person' AS kind
FROM read_csv('default_of_credit_card_clients.csv', skip = 1, header = true)
