-- Tables with every type, and with names that a careless reader of the catalog trips over.
CREATE SCHEMA "Odd ""schema";
CREATE SCHEMA evil;
CREATE TYPE public.mood AS ENUM ('sad', 'ok', 'happy');
ALTER TYPE public.mood ADD VALUE 'angry' BEFORE 'sad';
CREATE TYPE "Odd ""schema"."Mood; drop" AS ENUM ('a''b', 'c"d');
CREATE DOMAIN public.money_amount AS numeric(12, 2) CHECK (VALUE >= 0);
CREATE DOMAIN public.price AS public.money_amount NOT NULL;
CREATE DOMAIN public.tags AS text[];
CREATE DOMAIN public.word AS text;
CREATE TYPE public.pair AS (a integer, b text);
CREATE COLLATION public.loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);

CREATE TABLE public.everything (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    gone integer,
    "small" smallint NOT NULL DEFAULT 7,
    "integer" integer,
    big bigint,
    exact numeric(14, 2),
    exact18 numeric(18, 18),
    wide numeric(19, 0),
    loosely numeric,
    negative numeric(5, -2),
    "real" real,
    double double precision,
    flag boolean,
    day date,
    clock time,
    instant timestamp(3),
    instant_tz timestamptz,
    span interval,
    uid uuid,
    mood public.mood,
    odd_mood "Odd ""schema"."Mood; drop",
    txt text,
    txt_c text COLLATE "C",
    txt_loose text COLLATE public.loose,
    vary varchar(20),
    fixed char(5),
    one "char",
    nam name,
    doc json,
    docb jsonb,
    bytes bytea,
    addr inet,
    cash money,
    dom public.price,
    dom_tags public.tags,
    dom_word public.word COLLATE "C",
    tags text[],
    numbers integer[],
    amounts numeric(6, 2)[],
    moods public.mood[],
    doms public.word[],
    days date[],
    docs jsonb[],
    pair public.pair,
    span_of int4range,
    point_of point,
    vec tsvector,
    bits bit(3),
    xid8 xid8,
    twice integer GENERATED ALWAYS AS ("small" * 2) STORED,
    created_at timestamptz NOT NULL DEFAULT now(),
    "updatedAt" timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE public.everything DROP COLUMN gone;
ALTER TABLE public.everything ADD COLUMN late text NOT NULL DEFAULT '';
CREATE UNIQUE INDEX everything_partial ON public.everything (big) WHERE big > 0;
CREATE UNIQUE INDEX everything_lower ON public.everything (lower(txt));
CREATE UNIQUE INDEX everything_two ON public.everything ("small", "integer");
CREATE UNIQUE INDEX everything_covering ON public.everything (uid) INCLUDE (txt);
CREATE INDEX everything_day ON public.everything (day DESC NULLS LAST);

CREATE TABLE "Odd ""schema"."we""ird; drop table x" (
    "Id" uuid PRIMARY KEY,
    "select" text,
    "we""ird; drop table" text,
    "a: b # c" integer,
    "with 'single'" integer,
    "back\slash" integer,
    "percent % s" integer,
    "日本" text,
    "true" boolean,
    "null" integer,
    "12" integer,
    "0x1f" text,
    "-" integer,
    "City" text,
    "city" text,
    "CITY" text,
    "q" text DEFAULT 'x',
    "sort" integer,
    "price" numeric(10, 2),
    "min_price" date,
    "count" numeric(10, 2),
    "by_city" numeric(10, 2),
    "newest" integer,
    "{brace}" integer[],
    U&"tab\0009here" text,
    "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijk" integer,
    "ééééééééééééééééééééééééééééééé" integer
);
CREATE INDEX ON "Odd ""schema"."we""ird; drop table x" ("newest");
CREATE INDEX ON "Odd ""schema"."we""ird; drop table x" ("sort");
CREATE INDEX ON "Odd ""schema"."we""ird; drop table x" ("a: b # c");

-- A table of the same name in another schema, and types that shadow PostgreSQL's own.
CREATE TABLE evil.everything (id text PRIMARY KEY, title text);
CREATE DOMAIN evil.text AS pg_catalog.int4;
CREATE DOMAIN evil.int4 AS pg_catalog.text;
CREATE VIEW evil.pg_class AS SELECT 1 AS oid, 'evil'::pg_catalog.text AS relname;
CREATE FUNCTION evil.format_type(oid, integer) RETURNS pg_catalog.text LANGUAGE sql AS 'select ''evil''::pg_catalog.text';
CREATE TABLE evil.shadowed (id pg_catalog.int8 PRIMARY KEY, a evil.text, b evil.int4, c pg_catalog.text);

CREATE TABLE public.agents (
    id integer PRIMARY KEY, name text NOT NULL, email text UNIQUE, password_hash text, phone text
);
CREATE TABLE public.homes (
    id bigserial PRIMARY KEY,
    title text NOT NULL,
    description text NOT NULL DEFAULT '',
    "type" text NOT NULL,
    status text NOT NULL DEFAULT 'for_sale',
    price numeric(14, 2) NOT NULL,
    hoa_fee numeric,
    city text NOT NULL,
    postal_code text,
    bedrooms smallint,
    living_area_sqft integer,
    year_built smallint,
    lat double precision,
    lng double precision,
    website text,
    features text[] NOT NULL DEFAULT '{}',
    agent_id integer REFERENCES public.agents (id),
    parent_id bigint REFERENCES public.homes (id),
    extra jsonb,
    deleted_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX homes_newest ON public.homes (created_at DESC, id DESC);
CREATE INDEX homes_agent ON public.homes (agent_id);
CREATE TABLE public.photos (
    id uuid PRIMARY KEY,
    home_id bigint NOT NULL REFERENCES public.homes (id),
    position integer NOT NULL,
    image_url text NOT NULL,
    caption text
);
CREATE INDEX photos_home ON public.photos (home_id, position);
INSERT INTO public.agents SELECT n, 'Agent ' || n, 'agent' || n || '@example.com', 'x', null FROM generate_series(1, 20) AS n;
INSERT INTO public.homes (title, description, type, status, price, city, postal_code, bedrooms, living_area_sqft, year_built, features, agent_id, created_at)
SELECT 'Home ' || n, repeat('A house with a garden. ', 6), (array['Condo', 'House', E'Odd\nline', 'Town, # house'])[1 + n % 4], (array['for_sale', 'pending', 'sold'])[1 + n % 3],
    100000 + 1000 * n, 'City ' || n % 12, '9' || (1000 + n % 40), n % 6, 500 + n, 1950 + n % 70, array['pool'], 1 + n % 20, timestamptz '2024-01-01 00:00+00' + n * interval '1 hour'
FROM generate_series(1, 600) AS n;

CREATE TABLE public.sixty (id integer PRIMARY KEY);
CREATE TABLE public.hundred (id integer PRIMARY KEY);
DO $$ BEGIN
    FOR n IN 1..60 LOOP EXECUTE format('ALTER TABLE public.sixty ADD c%s integer', n); END LOOP;
    FOR n IN 1..100 LOOP EXECUTE format('ALTER TABLE public.hundred ADD c%s text', n); END LOOP;
    ALTER TABLE public.hundred ADD title text NOT NULL, ADD created_at timestamptz NOT NULL DEFAULT now();
END $$;
CREATE TABLE public.text_key (slug varchar(40) COLLATE "C" PRIMARY KEY, body text);
CREATE TABLE public.two_keys (a integer, b integer, other uuid NOT NULL UNIQUE, name text, PRIMARY KEY (a, b));
CREATE TABLE public.metrics (id integer PRIMARY KEY, value double precision);
CREATE UNLOGGED TABLE public.unlogged (id integer PRIMARY KEY);
CREATE TABLE public.secured (id integer PRIMARY KEY);
ALTER TABLE public.secured ENABLE ROW LEVEL SECURITY;

-- A type whose arrays are spelled with another mark than a comma, as that of PostGIS.
CREATE TYPE public.colon;
CREATE FUNCTION public.colon_in(cstring) RETURNS public.colon IMMUTABLE STRICT LANGUAGE internal AS 'int4in';
CREATE FUNCTION public.colon_out(public.colon) RETURNS cstring IMMUTABLE STRICT LANGUAGE internal AS 'int4out';
CREATE TYPE public.colon (INPUT = public.colon_in, OUTPUT = public.colon_out, LIKE = int4, DELIMITER = ':');
CREATE FUNCTION public.colon_eq(public.colon, public.colon) RETURNS boolean IMMUTABLE STRICT LANGUAGE internal AS 'int4eq';
CREATE FUNCTION public.colon_hash(public.colon) RETURNS integer IMMUTABLE STRICT LANGUAGE internal AS 'hashint4';
CREATE OPERATOR public.= (LEFTARG = public.colon, RIGHTARG = public.colon, FUNCTION = public.colon_eq, COMMUTATOR = OPERATOR(public.=), HASHES);
CREATE OPERATOR CLASS public.colon_ops DEFAULT FOR TYPE public.colon USING hash AS OPERATOR 1 public.=, FUNCTION 1 public.colon_hash(public.colon);
CREATE TABLE public.colons (id integer PRIMARY KEY, c public.colon);
INSERT INTO public.colons SELECT n, (n % 3)::text::public.colon FROM generate_series(1, 60) AS n;

CREATE INDEX sixty_index ON public.sixty (c2);

-- What cannot be described.
CREATE TABLE public.no_key (a integer, b text);
CREATE TABLE public.null_key (a integer UNIQUE, b text);
CREATE TABLE public.composite_key (a integer, b integer, PRIMARY KEY (a, b));
CREATE TABLE public.float_key (a double precision PRIMARY KEY);
CREATE TABLE public.loose_key (a text COLLATE public.loose PRIMARY KEY);
CREATE TABLE public.partial_key (a integer NOT NULL);
CREATE UNIQUE INDEX partial_key_a ON public.partial_key (a) WHERE a > 0;
CREATE VIEW public.a_view AS SELECT * FROM public.homes;
CREATE MATERIALIZED VIEW public.a_matview AS SELECT * FROM public.homes;
CREATE TABLE public.whole (id integer, day date, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE public.part PARTITION OF public.whole FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE public.parent (id integer PRIMARY KEY);
CREATE TABLE public.child (PRIMARY KEY (id)) INHERITS (public.parent);
CREATE SEQUENCE public.a_sequence;
CREATE EXTENSION postgres_fdw;
CREATE SERVER elsewhere FOREIGN DATA WRAPPER postgres_fdw;
CREATE FOREIGN TABLE public.a_foreign (id integer NOT NULL) SERVER elsewhere;
ANALYZE;
