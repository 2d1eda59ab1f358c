SELECT key, record_number AS record, left(replace(raw, chr(10), ' '), 44) AS raw, left(reasons[1], 60) AS reason
FROM silver.quarantine
QUALIFY row_number() OVER (PARTITION BY key ORDER BY record_number) <= 2
ORDER BY key, record_number
LIMIT 16
