select
    customers.customer_id,
    customers.name,
    customers.country,
    customers.signed_up_on,
    count(balance.order_id) as orders,
    min(balance.ordered_on) as first_order_on,
    max(balance.ordered_on) as last_order_on,
    coalesce(sum(balance.paid - balance.refunded), 0) as value
from {{ ref('current_customers') }} as customers
left join {{ ref('order_balance') }} as balance using (customer_id)
group by all
