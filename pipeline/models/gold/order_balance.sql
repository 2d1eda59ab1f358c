with refunded as (
    select order_id, sum(amount) as refunded
    from {{ ref('stg_refunds') }}
    group by order_id
)

select
    orders.order_id,
    orders.customer_id,
    orders.ordered_on,
    orders.status,
    orders.amount,
    coalesce(paid.payments, 0) as payments,
    cast(coalesce(paid.paid, 0) as {{ money() }}) as paid,
    cast(coalesce(refunded.refunded, 0) as {{ money() }}) as refunded,
    cast(orders.amount - coalesce(paid.paid, 0) as {{ money() }}) as open_amount
from {{ ref('stg_orders') }} as orders
left join {{ ref('paid_by_order') }} as paid using (order_id)
left join refunded using (order_id)
