SELECT * FROM gold.orders_by_day ORDER BY ordered_on LIMIT 8
