-- What the tables must be: plain SQL over the texts that the test's own parser took from the raw files.
CREATE SCHEMA silver;
CREATE SCHEMA gold;

CREATE TABLE regions AS
SELECT * FROM (VALUES ('north', 'The North', 7.00::DECIMAL(4, 2)), ('south', 'The South', 19.50::DECIMAL(4, 2))) AS seed (code, name, tax);

CREATE MACRO is_integer(text) AS coalesce(regexp_full_match(text, '-?[0-9]{1,9}'), true);
CREATE MACRO is_money(text) AS coalesce(regexp_full_match(text, '-?[0-9]{1,8}(\.[0-9]{1,2})?'), true);
CREATE MACRO is_day(text) AS text IS NULL OR (regexp_full_match(text, '[0-9]{4}-[0-9]{2}-[0-9]{2}') AND TRY_CAST(text AS DATE) IS NOT NULL);

CREATE TABLE judged_sales AS
WITH sound AS (
    SELECT
        *,
        whole AND is_integer(sale_id) AND is_day(day) AND is_integer(person_id) AND is_money(amount)
        AND sale_id IS NOT NULL AND day IS NOT NULL AND amount IS NOT NULL
        AND coalesce(region IN ('north', 'south', 'east'), false) AS is_sound
    FROM raw_sales
)
SELECT *, is_sound AND row_number() OVER (PARTITION BY key, is_sound, TRY_CAST(sale_id AS BIGINT) ORDER BY number) = 1 AS is_accepted
FROM sound;

CREATE TABLE judged_people AS
WITH sound AS (
    SELECT
        *,
        whole AND is_integer(person_id) AND is_integer(level) AND person_id IS NOT NULL AND name IS NOT NULL
        AND coalesce(tier IN ('basic', 'plus'), true) AS is_sound
    FROM raw_people
)
SELECT *, is_sound AND row_number() OVER (PARTITION BY key, is_sound, TRY_CAST(person_id AS BIGINT) ORDER BY number) = 1 AS is_accepted
FROM sound;

CREATE TABLE judged_notes AS
SELECT *, whole AND is_integer(id) AND is_day(seen) AS is_accepted FROM raw_notes;

CREATE TABLE silver.sales AS
SELECT
    TRY_CAST(sale_id AS BIGINT) AS sale_id, TRY_CAST(day AS DATE) AS day, region, TRY_CAST(person_id AS BIGINT) AS person_id,
    TRY_CAST(amount AS DECIMAL(10, 2)) AS amount, key AS _source_key, number AS _record_number
FROM judged_sales WHERE is_accepted;

CREATE TABLE silver.people AS
SELECT
    TRY_CAST(person_id AS BIGINT) AS person_id, name, tier, TRY_CAST(level AS INTEGER) AS level,
    key AS _source_key, number AS _record_number
FROM judged_people WHERE is_accepted;

CREATE TABLE silver.notes AS
SELECT TRY_CAST(id AS BIGINT) AS id, label, TRY_CAST(seen AS DATE) AS seen, key AS _source_key, number AS _record_number
FROM judged_notes WHERE is_accepted;

CREATE TABLE silver.stg_sales AS
SELECT day, sale_id, region, person_id, amount, _source_key FROM silver.sales WHERE amount > 0;

CREATE TABLE silver.quarantine AS
SELECT 'shop.sales' AS source, key, number AS record_number, true AS has_reasons FROM judged_sales WHERE NOT is_accepted
UNION ALL
SELECT 'shop.people', key, number, true FROM judged_people WHERE NOT is_accepted
UNION ALL
SELECT 'notes', key, number, true FROM judged_notes WHERE NOT is_accepted;

CREATE TABLE gold.sales_by_day AS
SELECT day, count(*) AS sales, sum(amount) AS amount, max(sale_id) AS last_sale FROM silver.stg_sales GROUP BY day;

CREATE TABLE gold.sales_of_people AS
SELECT s.day, s.sale_id, s.amount, p.name, p.level, r.name AS region, s.amount * r.tax AS tax
FROM silver.stg_sales s LEFT JOIN silver.people p ON p.person_id = s.person_id LEFT JOIN regions r ON r.code = s.region;

CREATE TABLE gold.share_of_region AS
SELECT day, region, sum(amount) AS amount, (SELECT sum(t.amount) FROM silver.stg_sales t WHERE t.region = s.region) AS total
FROM silver.stg_sales s GROUP BY day, region;

CREATE TABLE gold.large_days AS
SELECT day, amount, amount > 100 AS is_large FROM gold.sales_by_day;

CREATE TABLE gold.people_by_level AS
SELECT p.level, count(*) AS sales, sum(s.amount) AS amount
FROM gold.sales_of_people s JOIN silver.people p ON p.name = s.name GROUP BY p.level;
