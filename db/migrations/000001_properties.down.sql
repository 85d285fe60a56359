DROP TABLE public.properties;
