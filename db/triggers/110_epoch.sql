-- The epoch, for whoever reads listings in order to cache them: asked in the reading
-- statement itself, it proves which server's data the answer shows. NULL if there is no
-- marker.

CREATE OR REPLACE FUNCTION freshlist.properties_epoch() RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RETURN (SELECT m.epoch FROM freshlist.properties_marker AS m ORDER BY m.revision DESC LIMIT 1);
END
$function$;

REVOKE ALL ON FUNCTION freshlist.properties_epoch() FROM PUBLIC;
