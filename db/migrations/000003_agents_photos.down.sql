DROP TABLE public.photos;
ALTER TABLE public.properties DROP agent_id, DROP lot_size, DROP year_built;
DROP TABLE public.agents;
