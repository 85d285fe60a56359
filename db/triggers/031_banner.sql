-- Of which epoch a standby is: a copy of what the marker says, for reads of standbys. The marker is
-- UNLOGGED, and cannot be read there. Each leader and each epoch writes it anew.
--
-- Nothing rests on it on a primary. On a standby it tells one of the present primary from one of
-- an earlier primary, whose log went another way: there it never shows the present epoch.

CREATE TABLE freshlist.banner (
    one         boolean PRIMARY KEY CHECK (one),
    epoch       text NOT NULL,
    description text NOT NULL,
    started     text NOT NULL
);

COMMENT ON TABLE freshlist.banner IS 'of which epoch the data of a standby is: one row';
COMMENT ON COLUMN freshlist.banner.one IS 'true: there is one row';
COMMENT ON COLUMN freshlist.banner.epoch IS 'the present life of the whole cache';
COMMENT ON COLUMN freshlist.banner.description IS 'identity of the description that the epoch belongs to';
COMMENT ON COLUMN freshlist.banner.started IS 'when the primary was started, in seconds since 1970';

-- What a read of a standby says of its origin, as a read of the primary does: epoch, start and
-- database of the primary, and the identity of the description. NULL on a primary: it is no
-- standby any more.
CREATE OR REPLACE FUNCTION freshlist.banner() RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RETURN (
        SELECT concat_ws(' ', b.epoch, b.started, c.system_identifier || '/' || d.oid, b.description)
        FROM freshlist.banner AS b, pg_catalog.pg_control_system() AS c, pg_catalog.pg_database AS d
        WHERE d.datname = pg_catalog.current_database() AND pg_catalog.pg_is_in_recovery()
    );
END
$function$;

REVOKE ALL ON FUNCTION freshlist.banner() FROM PUBLIC;
