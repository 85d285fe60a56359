-- What capture rests on, in one view that nobody reads.
--
-- Because the view depends on them, PostgreSQL itself refuses to drop or retype a watched
-- column, to drop an attribute of a captured row, or to drop either table. To do so all the
-- same: uninstall capture, alter, install again. With CASCADE the view goes too; the capture
-- functions look for it before they touch anything, so that no writer sees an error of
-- theirs. (What does fail writers: to add an attribute, or to rename the table of changes.)

CREATE VIEW freshlist.properties_keystone AS
SELECT
    p.id, p.title, p.description, p.property_type, p.status, p.price, p.city, p.postal_code, p.bedrooms, p.bathrooms,
    p.living_area, p.latitude, p.longitude, p.created_at, p.updated_at,
    c.xid, c.old_row, c.new_row, c.description_changed, c.sets,
    ROW((c.old_row).*) IS NULL AS attributes, ROW((c.sets).*) IS NULL AS attributes_of_sets
FROM public.properties AS p, freshlist.properties_changes AS c
WHERE false;

COMMENT ON VIEW freshlist.properties_keystone IS
    'keeps watched columns from being dropped or retyped; to do so, run "invalidator uninstall" before and "invalidator install" after';
