{{ config(materialized='ephemeral') }}

select
    order_id,
    count(*) as payments,
    sum(amount) as paid
from {{ ref('stg_payments') }}
group by order_id
