-- registrations: the live queries with a number above the last one seen, oldest
-- first, with their windows.
--
-- KEYS[3] windows  ARGV[4] last number seen  ARGV[5] most queries to return
-- ARGV[6] floor: what a standby must have replayed of PostgreSQL's log; '' to leave it
--
-- The floor is raised before the registrations are read: who registers later learns it.
--
-- Raises seq if it returns anything, or raises the floor: what the Purger knows is fenced too, or a
-- Redis that forgot a registration and gave its number to another query would
-- pass for unchanged.
local raised = ARGV[6] ~= '' and ARGV[6] > (redis.call('HGET', KEYS[1], 'floor') or '')
if raised then
  redis.call('HSET', KEYS[1], 'floor', ARGV[6])
end
local found = redis.call('ZRANGE', KEYS[2], '(' .. ARGV[4], '+inf', 'BYSCORE', 'LIMIT', 0, ARGV[5], 'WITHSCORES')
if #found == 0 and not raised then
  return {'OK', ARGV[3]}
end
local answer = {'OK', tostring(redis.call('HINCRBY', KEYS[1], 'seq', 1))}
if #found == 0 then
  return answer
end
local queries = {}
for i = 1, #found, 2 do
  queries[#queries + 1] = found[i]
end
local windows = redis.call('HMGET', KEYS[3], unpack(queries))
for i, query in ipairs(queries) do
  answer[#answer + 1] = query
  answer[#answer + 1] = found[2 * i]
  answer[#answer + 1] = windows[i] or ''
end
return answer
