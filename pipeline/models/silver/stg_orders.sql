{{ config(partition_by=['ordered_on']) }}

select
    order_id,
    customer_id,
    ordered_at,
    {{ day_of('ordered_at') }} as ordered_on,
    status,
    quantity,
    amount,
    nullif(trim(note), '') as note
from {{ source('shop', 'orders') }}
where status <> 'cancelled'
