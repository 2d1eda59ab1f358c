SELECT * FROM silver.quarantine
ORDER BY key, record_number
