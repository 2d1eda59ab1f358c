{{ config(materialized='incremental', unique_key=['paid_on', 'method']) }}

select
    paid_on,
    method,
    count(*) as payments,
    sum(amount) as amount
from {{ ref('stg_payments') }}
{% if is_incremental() %}
where paid_on >= (select max(paid_on) from {{ this }})
{% endif %}
group by paid_on, method
