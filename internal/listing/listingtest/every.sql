-- Tables made up for tests, with a column of every type that a description knows, and with
-- names that only quotes can spell.
CREATE TYPE public."Condition" AS ENUM ('new', 'as good as new', 'worn', 'it''s, "odd"');
CREATE DOMAIN public.percent AS smallint CONSTRAINT percent_range CHECK (VALUE BETWEEN 0 AND 100);
CREATE DOMAIN public.amount AS numeric(14, 2) CONSTRAINT amount_least CHECK (VALUE >= 0);
CREATE COLLATION public.loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);

CREATE TABLE public."Every Type" (
    "Key"        text COLLATE "und-x-icu" CONSTRAINT every_type_key PRIMARY KEY,
    unused       text,
    small        smallint,
    whole        integer,
    big          bigint,
    exact        numeric(12, 3) CONSTRAINT every_exact_range CHECK (exact > 0 AND exact <= 100000),
    exact18      numeric(18, 18),
    wide         numeric,
    hundreds     numeric(5, -2),
    "Real"       real,
    double       double precision,
    flag         boolean,
    day          date,
    moment       timestamp,
    instant      timestamptz NOT NULL DEFAULT now(),
    uid          uuid,
    condition    public."Condition" NOT NULL DEFAULT 'new',
    words        text NOT NULL DEFAULT '',
    bytewise     text COLLATE "C" CONSTRAINT every_bytewise_known CHECK (bytewise IN ('red', 'green', 'ä b')),
    loose        text COLLATE public.loose,
    short        varchar(8),
    fixed        char(4),
    tags         text[],
    numbers      integer[],
    uids         uuid[],
    amounts      numeric(6, 2)[],
    conditions   public."Condition"[],
    floats       double precision[],
    details      jsonb,
    address      inet,
    "Of, ""2nd"" kind" text,
    serial       bigint GENERATED ALWAYS AS IDENTITY,
    doubled      integer GENERATED ALWAYS AS (small * 2) STORED,
    percent      public.percent,
    amount       public.amount,
    latitude     double precision,
    longitude    double precision,
    "SELECT"     integer,
    hidden       smallint,
    changed      timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON public."Every Type" (instant DESC, "Key" COLLATE "C" DESC);

CREATE TABLE public.by_uuid (
    id           uuid PRIMARY KEY,
    name         text NOT NULL,
    price        public.amount,
    latitude     numeric(9, 6),
    longitude    numeric(9, 6)
);
