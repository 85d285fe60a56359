-- choose one that many people see
select id from public.properties where id > (select max(id) from public.properties) - 40 order by random() limit 1

-- the price
update public.properties set price = greatest(1000, round(price * (0.9 + 0.2 * random())::numeric) + 1) where id = $1

-- the status
update public.properties set status = case status when 'for_sale' then 'pending' when 'pending' then 'sold' else 'for_sale' end where id = $1

-- the title
update public.properties set title = regexp_replace(title, ' \(edit [0-9]+\)$', '') || ' (edit ' || floor(random() * 1000000) || ')' where id = $1
