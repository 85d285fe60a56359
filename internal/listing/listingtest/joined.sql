-- Tables made up for tests, whose rows stand inside rows of the others. Their keys are a whole
-- number, a text and a UUID; what holds a key is of another type or collation than the key.
CREATE TABLE public.joined_agents (
    code      text COLLATE "und-x-icu" PRIMARY KEY,
    name      text NOT NULL,
    phone     text,
    office    integer,
    unused    text
);

CREATE TABLE public.joined_homes (
    id        bigint PRIMARY KEY,
    title     text NOT NULL,
    price     integer,
    notes     text,
    listed    timestamptz NOT NULL DEFAULT now(),
    agent     varchar(40) COLLATE "C",
    seller    text,
    next_to   integer
);
CREATE INDEX ON public.joined_homes (listed DESC, id DESC);
CREATE INDEX ON public.joined_homes (agent);

CREATE TABLE public.joined_photos (
    id        uuid PRIMARY KEY,
    home      integer,
    position  smallint,
    url       text NOT NULL,
    caption   text
);
CREATE INDEX ON public.joined_photos (home);
