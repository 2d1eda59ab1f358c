SELECT source, key, version, record_number, line, byte_offset, raw, reasons
FROM silver.quarantine
ORDER BY key, record_number
