select
    refund_id,
    order_id,
    refunded_on,
    cast(amount as {{ money() }}) as amount,
    coalesce(reason, 'unknown') as reason
from {{ source('shop', 'refunds') }}
where amount > 0
