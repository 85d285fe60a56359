DROP INDEX public.properties_search;

ALTER TABLE public.properties DROP COLUMN search;

CREATE INDEX properties_text ON public.properties
    USING gin (to_tsvector('english', title || ' ' || description)) WITH (gin_pending_list_limit = 1024);
COMMENT ON INDEX public.properties_text IS 'q: the words of title and description';
