-- Agents, photos, and what the first listings have of both, for a sample that has just been loaded.
-- All of it is made up, from the numbers of the rows, so that it is the same each time.

INSERT INTO public.agents (id, name, agency, phone, email)
SELECT n, first || ' ' || last, agency, format('(916) 555-01%s', lpad(n::text, 2, '0')),
    lower(first || '.' || last) || '@example.com'
FROM (
    SELECT n,
        (ARRAY['Ana', 'Ben', 'Carla', 'Dev', 'Ella', 'Farid', 'Grace', 'Hugo', 'Iris', 'Jonas', 'Keiko', 'Liam'])[1 + (n - 1) % 12] AS first,
        (ARRAY['Alvarez', 'Brandt', 'Chen', 'Dorsey', 'Eriksen', 'Fonseca', 'Greene', 'Haddad', 'Ito', 'Jansen', 'Kowalski'])[1 + n * 5 % 11] AS last,
        (ARRAY['River City Homes', 'Oak & Key', 'Delta Realty', 'Blue Door', NULL])[1 + n % 5] AS agency
    FROM generate_series(1, 24) AS n
) AS made
WHERE NOT EXISTS (SELECT FROM public.agents);

SELECT setval(pg_get_serial_sequence('public.agents', 'id'), max(id)) FROM public.agents;

UPDATE public.properties
SET agent_id = CASE WHEN id % 40 <> 0 THEN 1 + id * 7 % 24 END,
    year_built = CASE WHEN id % 29 <> 0 THEN 1925 + id * 31 % 82 END,
    lot_size = CASE WHEN property_type = 'Residential' AND id % 17 <> 0 THEN 3000 + 250 * (id * 13 % 37) END
WHERE id <= 932 AND EXISTS (SELECT FROM public.agents WHERE id = 24);

-- One to three pictures of each: the house from the street, a room, the garden.
INSERT INTO public.photos (property_id, position, caption, image)
SELECT p.id, position, caption,
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 300">' || drawing || '</svg>'
FROM (
    SELECT id, coalesce(bedrooms, 2) AS rooms, id * 47 % 360 AS hue, 200 + id * 13 % 40 AS sky, 95 + id * 11 % 45 AS green
    FROM public.properties
    WHERE id <= 932
) AS p
CROSS JOIN LATERAL (VALUES
    (1, 'From the street', format(
        '<rect width="400" height="300" fill="hsl(%s 60%% 86%%)"/><circle cx="%s" cy="58" r="26" fill="hsl(45 90%% 70%%)"/>'
        '<rect y="228" width="400" height="72" fill="hsl(%s 35%% 55%%)"/><path d="M76 152 200 %s 324 152Z" fill="hsl(%s 35%% 38%%)"/>'
        '<rect x="96" y="152" width="208" height="92" fill="hsl(%s 40%% 82%%)"/><rect x="182" y="184" width="36" height="60" fill="hsl(%s 45%% 34%%)"/>'
        '%s', sky, 50 + id * 37 % 300, green, 60 + id % 40, hue, (hue + 40) % 360, (hue + 180) % 360,
        CASE WHEN rooms > 2 THEN
            '<path d="M112 172h24v22h-24zM146 172h24v22h-24zM230 172h24v22h-24zM264 172h24v22h-24z" fill="hsl(210 50% 92%)"/>'
        ELSE '<path d="M122 172h36v26h-36zM242 172h36v26h-36z" fill="hsl(210 50% 92%)"/>' END)),
    (2, 'The living room', format(
        '<rect width="400" height="300" fill="hsl(%s 30%% 90%%)"/><rect y="214" width="400" height="86" fill="hsl(30 35%% %s%%)"/>'
        '<rect x="%s" y="52" width="104" height="84" fill="hsl(%s 60%% 84%%)" stroke="#fff" stroke-width="8"/>'
        '<rect x="64" y="168" width="176" height="42" rx="12" fill="hsl(%s 40%% 48%%)"/><rect x="52" y="192" width="200" height="44" rx="12" fill="hsl(%s 40%% 56%%)"/>'
        '<path d="M320 92l24 44h-48z" fill="hsl(45 85%% 74%%)"/><path d="M318 136h4v104h-4z" fill="hsl(30 20%% 30%%)"/>',
        hue, 55 + id % 15, 120 + id % 60, sky, (hue + 90) % 360, (hue + 90) % 360)),
    (3, 'The garden', format(
        '<rect width="400" height="300" fill="hsl(%s 60%% 88%%)"/><rect y="176" width="400" height="124" fill="hsl(%s 40%% 58%%)"/>'
        '<path d="M84 132h12v74h-12zM296 150h12v66h-12z" fill="hsl(25 35%% 35%%)"/><circle cx="90" cy="110" r="%s" fill="hsl(%s 40%% 40%%)"/>'
        '<circle cx="302" cy="134" r="%s" fill="hsl(%s 40%% 46%%)"/><path d="M168 300l22-124h20l22 124z" fill="hsl(40 25%% 78%%)"/>',
        sky, green, 36 + id % 18, green, 26 + id % 14, green))
) AS made (position, caption, drawing)
WHERE position <= 1 + p.id % 3 AND NOT EXISTS (SELECT FROM public.photos)
ORDER BY p.id, position;
