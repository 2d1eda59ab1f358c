{# The day of a timestamp, as each engine spells it. #}
{% macro day_of(timestamp) %}
    {{ return(adapter.dispatch('day_of', 'shop')(timestamp)) }}
{% endmacro %}

{% macro default__day_of(timestamp) %}
    cast(date_trunc('day', {{ timestamp }}) as date)
{% endmacro %}

{% macro duckdb__day_of(timestamp) %}cast({{ timestamp }} as date){% endmacro %}
