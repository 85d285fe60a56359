-- The statement by which a capture function writes one envelope instead of very many rows.
-- It is returned as text, since only the trigger's own function sees the transition tables
-- that source reads: SELECT * FROM new_rows, for example.
--
-- Rows are grouped by their texts first, so that one scan serves the sets and the ranges.

CREATE OR REPLACE FUNCTION freshlist.properties_bulk(source text) RETURNS text
LANGUAGE sql IMMUTABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
SELECT pg_catalog.format($statement$
INSERT INTO freshlist.properties_changes (xid, old_row, new_row, sets)
SELECT
    pg_catalog.pg_current_xact_id(),
    ROW(
        min(min_id), min(min_created_at), NULL, min(min_latitude), min(min_longitude), min(min_living_area),
        min(min_bedrooms), min(min_price), min(min_bathrooms), NULL, NULL, NULL, NULL, NULL
    )::freshlist.property,
    ROW(
        max(max_id), max(max_created_at), NULL, max(max_latitude), max(max_longitude), max(max_living_area),
        max(max_bedrooms), max(max_price), max(max_bathrooms), NULL, NULL, NULL, NULL, NULL
    )::freshlist.property,
    ROW(
        -- A larger set bounds next to nothing.
        CASE WHEN count(DISTINCT property_type) <= 1000 THEN array_agg(DISTINCT property_type) END,
        CASE WHEN count(DISTINCT status) <= 1000 THEN array_agg(DISTINCT status) END,
        CASE WHEN count(DISTINCT city) <= 1000 THEN array_agg(DISTINCT city) END,
        CASE WHEN count(DISTINCT postal_code) <= 1000
             THEN coalesce(array_agg(DISTINCT postal_code) FILTER (WHERE postal_code IS NOT NULL), '{}') END,
        (bool_or(postal_code IS NULL)::integer << 7)
            | (bool_or(null_bedrooms)::integer << 8)
            | (bool_or(null_bathrooms)::integer << 9)
            | (bool_or(null_living_area)::integer << 10)
            | (bool_or(null_latitude)::integer << 11)
            | (bool_or(null_longitude)::integer << 12)
    )::freshlist.property_sets
FROM (
    SELECT
        property_type, status, city, postal_code,
        min(id) AS min_id, max(id) AS max_id,
        min(created_at) AS min_created_at, max(created_at) AS max_created_at,
        min(latitude) AS min_latitude, max(latitude) AS max_latitude,
        min(longitude) AS min_longitude, max(longitude) AS max_longitude,
        min(living_area) AS min_living_area, max(living_area) AS max_living_area,
        min(bedrooms) AS min_bedrooms, max(bedrooms) AS max_bedrooms,
        min(price) AS min_price, max(price) AS max_price,
        min(bathrooms) AS min_bathrooms, max(bathrooms) AS max_bathrooms,
        count(*) > count(bedrooms) AS null_bedrooms,
        count(*) > count(bathrooms) AS null_bathrooms,
        count(*) > count(living_area) AS null_living_area,
        count(*) > count(latitude) AS null_latitude,
        count(*) > count(longitude) AS null_longitude
    FROM (%s) AS r (
        id, title, description, property_type, status, price, city, postal_code, bedrooms, bathrooms,
        living_area, latitude, longitude, created_at, updated_at
    )
    GROUP BY property_type, status, city, postal_code
) AS g
$statement$, source)
$function$;

REVOKE ALL ON FUNCTION freshlist.properties_bulk(text) FROM PUBLIC;
