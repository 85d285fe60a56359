-- Tables as other people have them: none was made with freshlist in mind.
CREATE SCHEMA crm;
CREATE TYPE crm."Stage" AS ENUM ('lead', 'in talks', 'won', 'lost');
CREATE TYPE public.color AS ENUM ('red', 'green', 'blue', 'black');
CREATE DOMAIN public.positive AS numeric(12, 2) CHECK (VALUE >= 0);
CREATE DOMAIN public.percentage AS smallint CHECK (VALUE BETWEEN 0 AND 100);
CREATE DOMAIN crm.email AS text CHECK (VALUE ~ '@');

-- Capitals, blanks, and words of SQL as names; an identity that nobody can set; what is computed.
CREATE TABLE public."Property Listings" (
    "Listing ID"     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    "Headline"       text NOT NULL,
    "Asking Price"   numeric(12, 2) NOT NULL,
    "City"           varchar(40) NOT NULL,
    "State"          char(2) NOT NULL,
    "isActive"       boolean NOT NULL DEFAULT true,
    "Beds"           integer,
    "order"          integer,
    "limit"          smallint,
    "from"           date,
    "select"         text,
    "createdAt"      timestamptz NOT NULL DEFAULT now(),
    "geo_lat"        double precision,
    "geo_lon"        double precision,
    "Living Sqft"    integer,
    "Price per Sqft" numeric(12, 2) GENERATED ALWAYS AS (round("Asking Price" / nullif("Living Sqft", 0), 2)) STORED
);
CREATE INDEX ON public."Property Listings" ("createdAt" DESC, "Listing ID" DESC);
CREATE INDEX ON public."Property Listings" ("Asking Price", "Listing ID");
INSERT INTO public."Property Listings" ("Headline", "Asking Price", "City", "State", "isActive", "Beds", "order", "limit", "from", "select", "createdAt", geo_lat, geo_lon, "Living Sqft")
SELECT 'House ' || n, 100000 + n * 7919 % 400000, (ARRAY['Elk Grove', 'Folsom', 'Galt', 'Davis'])[1 + n % 4], (ARRAY['CA', 'NV', 'OR'])[1 + n % 3], n % 5 > 0,
    n % 6, n, n % 7, date '2024-01-01' + n % 90, 'Choice ' || n % 9, timestamptz '2024-01-01Z' + n * interval '1 hour', 38 + n % 50 / 50.0, -121 - n % 40 / 40.0, 800 + n * 37 % 2000
FROM generate_series(1, 400) AS n;

-- Another schema, a name with blanks and dots, a UUID as the key, numerics of any size.
CREATE TABLE crm."deals v2.1" (
    uuid             uuid PRIMARY KEY,
    name             text NOT NULL,
    stage            crm."Stage" NOT NULL DEFAULT 'lead',
    amount           numeric,
    probability      public.percentage,
    contact          crm.email,
    tags             text[] NOT NULL DEFAULT '{}',
    payload          jsonb,
    "user"           text,
    closes_on        date,
    created_at       timestamp NOT NULL DEFAULT now(),
    updated_at       timestamp NOT NULL DEFAULT now()
);
CREATE INDEX ON crm."deals v2.1" (created_at DESC, uuid DESC);
INSERT INTO crm."deals v2.1"
SELECT md5(n::text)::uuid, 'Deal ' || n, (ARRAY['lead', 'in talks', 'won', 'lost'])[1 + n % 4]::crm."Stage", round(n * 7919 % 100000 / 7.0, n % 4), n % 101,
    'c' || n % 60 || '@example.com', (ARRAY['{new,big}', '{big}', '{"odd, one"}', '{}'])[1 + n % 4]::text[], jsonb_build_object('n', n % 5), 'User ' || n % 12,
    date '2025-01-01' + n % 200, timestamp '2024-01-01' + n * interval '3 hours', timestamp '2024-06-01'
FROM generate_series(1, 300) AS n;

-- Texts as keys, and rows inside rows by them.
CREATE TABLE public.stock (
    sku              text PRIMARY KEY,
    name             text NOT NULL,
    description      text,
    price            public.positive NOT NULL,
    weight_kg        real,
    length           double precision,
    category         text NOT NULL,
    colors           public.color[] NOT NULL DEFAULT '{}',
    sizes            integer[],
    discontinued     boolean NOT NULL DEFAULT false,
    added            date NOT NULL DEFAULT current_date
);
INSERT INTO public.stock
SELECT 'SKU/' || n || ' ä', 'Thing ' || n, 'A thing of number ' || n, n * 31 % 500, n % 30 / 4.0, n % 50 / 3.0, (ARRAY['tools', 'toys', 'garden', 'kitchen', 'Other & more'])[1 + n % 5],
    (ARRAY['{red}', '{green,blue}', '{}', '{black}'])[1 + n % 4]::public.color[], ARRAY[n % 4, n % 3], n % 9 = 0, date '2024-01-01' + n % 30
FROM generate_series(1, 300) AS n;
CREATE INDEX ON public.stock (added DESC, sku COLLATE "C" DESC);

CREATE TABLE public."user" (
    id               integer PRIMARY KEY,
    username         text NOT NULL UNIQUE,
    "group"          text,
    password_hash    text,
    created          timestamp NOT NULL DEFAULT now()
);
INSERT INTO public."user" SELECT n, 'user' || n, (ARRAY['admin', 'staff', 'guest'])[1 + n % 3], md5(n::text), timestamp '2023-01-01' + n * interval '1 day' FROM generate_series(1, 80) AS n;

CREATE TABLE public.reviews (
    id               serial PRIMARY KEY,
    sku              text NOT NULL REFERENCES public.stock ON DELETE CASCADE,
    user_id          integer REFERENCES public."user" ON DELETE SET NULL,
    rating           smallint NOT NULL,
    body             text NOT NULL DEFAULT '',
    posted_at        timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON public.reviews (sku);
CREATE INDEX ON public.reviews (user_id);
INSERT INTO public.reviews (sku, user_id, rating, body, posted_at)
SELECT 'SKU/' || 1 + n * 7 % 300 || ' ä', 1 + n % 80, 1 + n % 5, 'Review ' || n, timestamptz '2024-01-01Z' + n * interval '1 hour' FROM generate_series(1, 500) AS n;

-- Sixty columns.
CREATE TABLE public.wide (id bigint PRIMARY KEY);
DO $$ BEGIN
    FOR n IN 1..59 LOOP
        EXECUTE format('ALTER TABLE public.wide ADD %I %s', (ARRAY['size', 'kind', 'score', 'on', 'rate', 'note'])[1 + n % 6] || '_' || n,
            (ARRAY['integer', 'text', 'numeric(10, 3)', 'date', 'double precision', 'varchar(20)'])[1 + n % 6]);
    END LOOP;
END $$;
DO $$ DECLARE list text; BEGIN
    SELECT string_agg(replace((ARRAY['n * # % 50', '''k'' || n * # % 8', 'n * # % 300 / 8.0', 'date ''2024-01-01'' + n * # % 60', 'n * # % 90 / 7.0', '''note '' || n * # % 200'])[1 + c % 6],
        '#', (2 * c + 1)::text), ', ' ORDER BY c) INTO list FROM generate_series(1, 59) AS c;
    EXECUTE 'INSERT INTO public.wide SELECT n, ' || list || ' FROM generate_series(1, 300) AS n';
END $$;
ANALYZE public."Property Listings", crm."deals v2.1", public.stock, public."user", public.reviews, public.wide;
