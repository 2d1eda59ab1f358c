{{ config(partition_by=['visited_on']) }}

-- A gold model reads whole tables; it is always equal to its SQL over them.
select
    visited_on,
    page,
    count(*) as visits
from {{ ref('stg_visits') }}
group by visited_on, page
