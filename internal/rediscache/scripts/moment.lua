#!lua
-- moment: return the moment of a query, a view that is kept for its time alone, if it still
-- counts; or else grant the right to make the next one, with the time that it will be of.
--
-- KEYS[1] moment  KEYS[2] lease
-- ARGV[1] token of this attempt  ARGV[2] bound, ms: how long the right lasts  ARGV[3] bound, us
-- ARGV[4] what a moment begins with that the caller may show
--
-- Behind that beginning stands the noted time. The clock is read here, before the caller reads
-- the database: what the database shows then is not older.
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local head = redis.call('GETRANGE', KEYS[1], 0, #ARGV[4] + 31)
if string.sub(head, 1, #ARGV[4]) == ARGV[4] then
  local noted = tonumber(string.sub(head, #ARGV[4] + 1))
  if noted and noted <= now and now < noted + ARGV[3] then
    return {'FOUND', redis.call('GET', KEYS[1]), tostring(now - noted)}
  end
end
if not redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) then
  return {'HELD'}
end
return {'OK', string.format('%d', now)}
