select
    cast({{ dbt.date_trunc('week', 'ordered_on') }} as date) as week,
    sum(orders) as orders,
    sum(amount) as amount
from {{ ref('orders_by_day') }}
group by 1
