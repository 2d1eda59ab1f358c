select
    payment_id,
    order_id,
    method,
    cast(amount as {{ money() }}) as amount,
    paid_at,
    {{ day_of('paid_at') }} as paid_on
from {{ source('shop', 'payments') }}
