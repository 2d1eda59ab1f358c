select
    coalesce(countries.code, '??') as country,
    coalesce(countries.name, 'unknown') as name,
    count(*) as orders,
    sum(balance.paid - balance.refunded) as revenue,
    sum(cast((balance.paid - balance.refunded) * countries.vat / 100 as {{ money() }})) as vat
from {{ ref('order_balance') }} as balance
left join {{ ref('current_customers') }} as customers using (customer_id)
left join {{ ref('countries') }} as countries on countries.code = customers.country
group by 1, 2
