{# A row fails where the expression is false; unknown (null) passes, as with dbt's own tests. #}
{% test expression(model, expression, column_name=none) %}
select *
from {{ model }}
where not ({{ expression }})
{% endtest %}
