-- What each kind of statement writes into freshlist.properties_changes.
--
-- The functions run in the writer's transaction, so they must be quick and must never fail.
-- They look for the keystone first (see there); the transition tables' columns are named
-- by their position, so that a renamed column is still captured; there is no exception
-- block on the way, whose subtransactions would cost readers too. While no invalidator
-- runs the changes pile up: beyond 1 GiB each statement writes one short row. It is written
-- even if there is one already, which may be consumed before this statement commits.

-- INSERT, COPY, and the inserting parts of MERGE and INSERT ... ON CONFLICT.
CREATE OR REPLACE FUNCTION freshlist.properties_insert() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF to_regclass('freshlist.properties_keystone') IS NULL
        OR pg_relation_size('freshlist.properties_changes') > 1073741824 THEN
        PERFORM freshlist.whole_table();
        RETURN NULL;
    END IF;
    INSERT INTO freshlist.properties_changes
        (xid, kind, changed, new_id, new_created_at, new_latitude, new_longitude, new_living_area, new_bedrooms,
         new_price, new_bathrooms, new_property_type, new_status, new_city, new_postal_code)
    SELECT
        pg_current_xact_id(), 0, 32767, n.id, n.created_at, n.latitude, n.longitude, n.living_area, n.bedrooms,
        n.price, n.bathrooms, n.property_type, n.status, n.city, n.postal_code
    FROM new_rows AS n
            (id, title, description, property_type, status, price, city, postal_code, bedrooms, bathrooms, living_area, latitude,
            longitude, created_at, updated_at)
    WHERE (SELECT count(*) FROM (SELECT FROM new_rows LIMIT 10001) many) <= 10000;
    IF NOT FOUND THEN
        IF NOT EXISTS (SELECT FROM new_rows OFFSET 10000) THEN
            RETURN NULL; -- no row was inserted
        END IF;
        -- Too many for a row each: one row that bounds them all.
        INSERT INTO freshlist.properties_changes
            (xid, kind, changed, nulls,
             old_id, new_id, old_created_at, new_created_at, old_latitude, new_latitude, old_longitude,
             new_longitude, old_living_area, new_living_area, old_bedrooms, new_bedrooms, old_price, new_price,
             old_bathrooms, new_bathrooms,
             property_types, statuses, cities, postal_codes)
        WITH r AS (SELECT n.* FROM new_rows AS n (id, title, description, property_type, status, price, city, postal_code,
                bedrooms, bathrooms, living_area, latitude, longitude, created_at, updated_at))
        SELECT pg_current_xact_id(), 1, 32767,
            (count(*) > count(postal_code))::integer << 7 | (count(*) > count(bedrooms))::integer << 8
            | (count(*) > count(bathrooms))::integer << 9 | (count(*) > count(living_area))::integer << 10
            | (count(*) > count(latitude))::integer << 11 | (count(*) > count(longitude))::integer << 12,
            min(id), max(id), min(created_at), max(created_at), min(latitude), max(latitude), min(longitude),
            max(longitude), min(living_area), max(living_area), min(bedrooms), max(bedrooms), min(price),
            max(price), min(bathrooms), max(bathrooms),
            (SELECT CASE WHEN count(*) <= 50 THEN coalesce(array_agg(v), '{}') END
             FROM (SELECT property_type AS v FROM r GROUP BY 1 LIMIT 51) s),
            (SELECT CASE WHEN count(*) <= 50 THEN coalesce(array_agg(v), '{}') END
             FROM (SELECT status AS v FROM r GROUP BY 1 LIMIT 51) s),
            (SELECT CASE WHEN count(*) <= 50 THEN coalesce(array_agg(v), '{}') END
             FROM (SELECT city AS v FROM r GROUP BY 1 LIMIT 51) s),
            (SELECT CASE WHEN count(*) <= 50 THEN coalesce(array_agg(v), '{}') END
             FROM (SELECT postal_code AS v FROM r WHERE postal_code IS NOT NULL GROUP BY 1 LIMIT 51) s)
        FROM r;
    END IF;
    IF current_setting('max_prepared_transactions') = '0'
        AND NOT pg_try_advisory_xact_lock_shared(7382074285561244019) THEN
        PERFORM pg_notify('freshlist', ''); -- as in freshlist.ring(), without the call
    END IF;
    RETURN NULL;
END
$$;

REVOKE ALL ON FUNCTION freshlist.properties_insert() FROM PUBLIC;

-- UPDATE, and the updating parts of MERGE and INSERT ... ON CONFLICT. A changed id counts as a
-- deletion and an insertion: that is what joining all old and all new rows by id yields. A full
-- join can only be hashed or merged, so a plan made for one row is not a disaster for thousands.
CREATE OR REPLACE FUNCTION freshlist.properties_update() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF to_regclass('freshlist.properties_keystone') IS NULL
        OR pg_relation_size('freshlist.properties_changes') > 1073741824 THEN
        PERFORM freshlist.whole_table();
        RETURN NULL;
    END IF;
    INSERT INTO freshlist.properties_changes
        (xid, kind, changed, old_id, new_id, old_created_at, new_created_at, old_latitude, new_latitude,
         old_longitude, new_longitude, old_living_area, new_living_area, old_bedrooms, new_bedrooms, old_price,
         new_price, old_bathrooms, new_bathrooms, old_property_type, new_property_type, old_status, new_status,
         old_city, new_city, old_postal_code, new_postal_code)
    SELECT
        pg_current_xact_id(), 0, m.changed, o.id, n.id, o.created_at, n.created_at, o.latitude, n.latitude,
        o.longitude, n.longitude, o.living_area, n.living_area, o.bedrooms, n.bedrooms, o.price, n.price,
        o.bathrooms, n.bathrooms, o.property_type, n.property_type, o.status, n.status, o.city, n.city,
        o.postal_code, n.postal_code
    FROM old_rows AS o
            (id, title, description, property_type, status, price, city, postal_code, bedrooms, bathrooms, living_area, latitude,
            longitude, created_at, updated_at)
    FULL JOIN new_rows AS n
            (id, title, description, property_type, status, price, city, postal_code, bedrooms, bathrooms, living_area, latitude,
            longitude, created_at, updated_at)
        ON o.id = n.id
    CROSS JOIN LATERAL (SELECT CASE WHEN o.id IS NULL OR n.id IS NULL THEN 32767 ELSE
        (o.title IS DISTINCT FROM n.title)::integer << 1 | (o.description IS DISTINCT FROM n.description)::integer << 2
        | (o.property_type IS DISTINCT FROM n.property_type)::integer << 3 | (o.status IS DISTINCT FROM n.status)::integer << 4
        | (o.price IS DISTINCT FROM n.price)::integer << 5 | (o.city IS DISTINCT FROM n.city)::integer << 6
        | (o.postal_code IS DISTINCT FROM n.postal_code)::integer << 7 | (o.bedrooms IS DISTINCT FROM n.bedrooms)::integer << 8
        | (o.bathrooms IS DISTINCT FROM n.bathrooms)::integer << 9 | (o.living_area IS DISTINCT FROM n.living_area)::integer << 10
        | (o.latitude IS DISTINCT FROM n.latitude)::integer << 11 | (o.longitude IS DISTINCT FROM n.longitude)::integer << 12
        | (o.created_at IS DISTINCT FROM n.created_at)::integer << 13 | (o.updated_at IS DISTINCT FROM n.updated_at)::integer << 14
        END AS changed) m
    WHERE m.changed <> 0
        AND (SELECT count(*) FROM (SELECT FROM new_rows LIMIT 10001) many) <= 10000;
    IF NOT FOUND THEN
        IF NOT EXISTS (SELECT FROM new_rows OFFSET 10000) THEN
            RETURN NULL; -- no watched column changed
        END IF;
        -- Too many for a row each: one row that bounds them all.
        INSERT INTO freshlist.properties_changes
            (xid, kind, changed, nulls,
             old_id, new_id, old_created_at, new_created_at, old_latitude, new_latitude, old_longitude,
             new_longitude, old_living_area, new_living_area, old_bedrooms, new_bedrooms, old_price, new_price,
             old_bathrooms, new_bathrooms,
             property_types, statuses, cities, postal_codes)
        WITH r AS (SELECT o.* FROM old_rows AS o (id, title, description, property_type, status, price, city, postal_code,
                bedrooms, bathrooms, living_area, latitude, longitude, created_at, updated_at)
            UNION ALL SELECT n.* FROM new_rows AS n (id, title, description, property_type, status, price, city, postal_code,
                bedrooms, bathrooms, living_area, latitude, longitude, created_at, updated_at))
        SELECT pg_current_xact_id(), 1, 32767,
            (count(*) > count(postal_code))::integer << 7 | (count(*) > count(bedrooms))::integer << 8
            | (count(*) > count(bathrooms))::integer << 9 | (count(*) > count(living_area))::integer << 10
            | (count(*) > count(latitude))::integer << 11 | (count(*) > count(longitude))::integer << 12,
            min(id), max(id), min(created_at), max(created_at), min(latitude), max(latitude), min(longitude),
            max(longitude), min(living_area), max(living_area), min(bedrooms), max(bedrooms), min(price),
            max(price), min(bathrooms), max(bathrooms),
            (SELECT CASE WHEN count(*) <= 50 THEN coalesce(array_agg(v), '{}') END
             FROM (SELECT property_type AS v FROM r GROUP BY 1 LIMIT 51) s),
            (SELECT CASE WHEN count(*) <= 50 THEN coalesce(array_agg(v), '{}') END
             FROM (SELECT status AS v FROM r GROUP BY 1 LIMIT 51) s),
            (SELECT CASE WHEN count(*) <= 50 THEN coalesce(array_agg(v), '{}') END
             FROM (SELECT city AS v FROM r GROUP BY 1 LIMIT 51) s),
            (SELECT CASE WHEN count(*) <= 50 THEN coalesce(array_agg(v), '{}') END
             FROM (SELECT postal_code AS v FROM r WHERE postal_code IS NOT NULL GROUP BY 1 LIMIT 51) s)
        FROM r;
    END IF;
    IF current_setting('max_prepared_transactions') = '0'
        AND NOT pg_try_advisory_xact_lock_shared(7382074285561244019) THEN
        PERFORM pg_notify('freshlist', ''); -- as in freshlist.ring(), without the call
    END IF;
    RETURN NULL;
END
$$;

REVOKE ALL ON FUNCTION freshlist.properties_update() FROM PUBLIC;

-- DELETE, and the deleting part of MERGE.
CREATE OR REPLACE FUNCTION freshlist.properties_delete() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF to_regclass('freshlist.properties_keystone') IS NULL
        OR pg_relation_size('freshlist.properties_changes') > 1073741824 THEN
        PERFORM freshlist.whole_table();
        RETURN NULL;
    END IF;
    INSERT INTO freshlist.properties_changes
        (xid, kind, changed, old_id, old_created_at, old_latitude, old_longitude, old_living_area, old_bedrooms,
         old_price, old_bathrooms, old_property_type, old_status, old_city, old_postal_code)
    SELECT
        pg_current_xact_id(), 0, 32767, o.id, o.created_at, o.latitude, o.longitude, o.living_area, o.bedrooms,
        o.price, o.bathrooms, o.property_type, o.status, o.city, o.postal_code
    FROM old_rows AS o
            (id, title, description, property_type, status, price, city, postal_code, bedrooms, bathrooms, living_area, latitude,
            longitude, created_at, updated_at)
    WHERE (SELECT count(*) FROM (SELECT FROM old_rows LIMIT 10001) many) <= 10000;
    IF NOT FOUND THEN
        IF NOT EXISTS (SELECT FROM old_rows OFFSET 10000) THEN
            RETURN NULL; -- no row was deleted
        END IF;
        -- Too many for a row each: one row that bounds them all.
        INSERT INTO freshlist.properties_changes
            (xid, kind, changed, nulls,
             old_id, new_id, old_created_at, new_created_at, old_latitude, new_latitude, old_longitude,
             new_longitude, old_living_area, new_living_area, old_bedrooms, new_bedrooms, old_price, new_price,
             old_bathrooms, new_bathrooms,
             property_types, statuses, cities, postal_codes)
        WITH r AS (SELECT o.* FROM old_rows AS o (id, title, description, property_type, status, price, city, postal_code,
                bedrooms, bathrooms, living_area, latitude, longitude, created_at, updated_at))
        SELECT pg_current_xact_id(), 1, 32767,
            (count(*) > count(postal_code))::integer << 7 | (count(*) > count(bedrooms))::integer << 8
            | (count(*) > count(bathrooms))::integer << 9 | (count(*) > count(living_area))::integer << 10
            | (count(*) > count(latitude))::integer << 11 | (count(*) > count(longitude))::integer << 12,
            min(id), max(id), min(created_at), max(created_at), min(latitude), max(latitude), min(longitude),
            max(longitude), min(living_area), max(living_area), min(bedrooms), max(bedrooms), min(price),
            max(price), min(bathrooms), max(bathrooms),
            (SELECT CASE WHEN count(*) <= 50 THEN coalesce(array_agg(v), '{}') END
             FROM (SELECT property_type AS v FROM r GROUP BY 1 LIMIT 51) s),
            (SELECT CASE WHEN count(*) <= 50 THEN coalesce(array_agg(v), '{}') END
             FROM (SELECT status AS v FROM r GROUP BY 1 LIMIT 51) s),
            (SELECT CASE WHEN count(*) <= 50 THEN coalesce(array_agg(v), '{}') END
             FROM (SELECT city AS v FROM r GROUP BY 1 LIMIT 51) s),
            (SELECT CASE WHEN count(*) <= 50 THEN coalesce(array_agg(v), '{}') END
             FROM (SELECT postal_code AS v FROM r WHERE postal_code IS NOT NULL GROUP BY 1 LIMIT 51) s)
        FROM r;
    END IF;
    IF current_setting('max_prepared_transactions') = '0'
        AND NOT pg_try_advisory_xact_lock_shared(7382074285561244019) THEN
        PERFORM pg_notify('freshlist', ''); -- as in freshlist.ring(), without the call
    END IF;
    RETURN NULL;
END
$$;

REVOKE ALL ON FUNCTION freshlist.properties_delete() FROM PUBLIC;

-- TRUNCATE, also by CASCADE.
CREATE OR REPLACE FUNCTION freshlist.properties_truncate() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM freshlist.whole_table();
    RETURN NULL;
END
$$;

REVOKE ALL ON FUNCTION freshlist.properties_truncate() FROM PUBLIC;
