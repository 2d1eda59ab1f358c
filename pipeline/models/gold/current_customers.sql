{{ config(materialized='view') }}

select customer_id, name, email, country, signed_up_on, city, postcode, updated_at
from {{ ref('stg_customers') }}
qualify row_number() over (partition by customer_id order by updated_at desc) = 1
