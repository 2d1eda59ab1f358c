-- No order is lost on the way to the countries.
select by_country.revenue as by_country, by_order.revenue as by_order
from (select sum(revenue) as revenue from {{ ref('revenue_by_country') }}) as by_country
cross join (select sum(paid - refunded) as revenue from {{ ref('order_balance') }}) as by_order
where by_country.revenue is distinct from by_order.revenue
