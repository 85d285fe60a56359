-- The epoch, and the identity of its description, for whoever reads rows in order to cache them:
-- asked in the reading statement itself, they prove which server's data the answer shows, and by
-- which description it may be kept. NULL if there is no marker.

CREATE OR REPLACE FUNCTION freshlist.epoch() RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RETURN (SELECT m.epoch FROM freshlist.marker AS m ORDER BY m.revision DESC LIMIT 1);
END
$function$;

REVOKE ALL ON FUNCTION freshlist.epoch() FROM PUBLIC;

CREATE OR REPLACE FUNCTION freshlist.described() RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RETURN (SELECT m.description FROM freshlist.marker AS m ORDER BY m.revision DESC LIMIT 1);
END
$function$;

REVOKE ALL ON FUNCTION freshlist.described() FROM PUBLIC;
