{{ config(partition_by=['visited_on']) }}

-- A silver model reads one source and runs over each file on its own.
select
    visit_id,
    visited_at,
    cast(visited_at as date) as visited_on,
    lower(page) as page
from {{ source('raw', 'visits') }}
