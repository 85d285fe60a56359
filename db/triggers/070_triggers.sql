-- One statement trigger for each kind of statement; ENABLE ALWAYS, so that they fire under
-- session_replication_role = replica too.

CREATE OR REPLACE TRIGGER freshlist_insert
    AFTER INSERT ON public.properties
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION freshlist.properties_insert();

CREATE OR REPLACE TRIGGER freshlist_update
    AFTER UPDATE ON public.properties
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION freshlist.properties_update();

CREATE OR REPLACE TRIGGER freshlist_delete
    AFTER DELETE ON public.properties
    REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION freshlist.properties_delete();

CREATE OR REPLACE TRIGGER freshlist_truncate
    AFTER TRUNCATE ON public.properties
    FOR EACH STATEMENT EXECUTE FUNCTION freshlist.properties_truncate();

ALTER TABLE public.properties ENABLE ALWAYS TRIGGER freshlist_insert;
ALTER TABLE public.properties ENABLE ALWAYS TRIGGER freshlist_update;
ALTER TABLE public.properties ENABLE ALWAYS TRIGGER freshlist_delete;
ALTER TABLE public.properties ENABLE ALWAYS TRIGGER freshlist_truncate;
