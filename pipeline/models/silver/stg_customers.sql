select
    customer_id,
    trim(name) as name,
    lower(trim(email)) as email,
    upper(country) as country,
    signed_up_on,
    address.city as city,
    address.postcode as postcode,
    len(interests) as interests,
    updated_at
from {{ source('shop', 'customers') }}
