{{ config(partition_by=['ordered_on']) }}

select
    ordered_on,
    count(*) as orders,
    sum(quantity) as items,
    sum(amount) as amount,
    count(*) filter (where status = 'returned') / count(*) as returned_share
from {{ ref('stg_orders') }}
group by ordered_on
