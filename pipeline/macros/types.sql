{# The type of every amount of money. #}
{% macro money() %}
    {{ return('decimal(12, 2)') }}
{% endmacro %}
