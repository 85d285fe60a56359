#!lua
-- acquire: on a miss of the view, return the queryset if it is there, with the
-- beat and the time; otherwise take the lease of the query and register the query as live,
-- before its database read starts.
--
-- KEYS[1] fence  KEYS[2] live  KEYS[3] windows  KEYS[4] lease  KEYS[5] queryset  KEYS[6] beat
-- ARGV[1] token of this attempt  ARGV[2] lease, ms  ARGV[3] query  ARGV[4] most live queries
-- ARGV[5] what a queryset of the caller's build begins with
-- ARGV[6] 1 if the caller may read a standby: then it is told, with the beat and the time, the floor,
-- which is what that standby must have replayed of PostgreSQL's log
--
-- A lease of another generation is nobody's: its fill is refused in any case, and its holder
-- may be gone, so that nobody should wait for it.
--
-- The registration is always new and its window wide: what the Purger knows of
-- an earlier content of the query must not judge the one now being read.
local generation = redis.call('HGET', KEYS[1], 'generation')
if not generation then
  return {'NOFENCE'}
end
local head = ARGV[5] .. generation
if redis.call('GETRANGE', KEYS[5], 0, #head - 1) == head then
  return {'FOUND', redis.call('GET', KEYS[5]), redis.call('GET', KEYS[6]), unpack(redis.call('TIME'))}
end
local standby = {}
if ARGV[6] == '1' then
  local floor = redis.call('HMGET', KEYS[1], 'term', 'floor_term', 'floor')
  if floor[1] == floor[2] then -- else its leader is of a version that keeps none
    standby = {floor[3], redis.call('GET', KEYS[6]), unpack(redis.call('TIME'))}
  end
end
if redis.call('ZCARD', KEYS[2]) >= tonumber(ARGV[4]) and not redis.call('ZSCORE', KEYS[2], ARGV[3]) then
  return {'FULL', unpack(standby)}
end
local held = redis.pcall('GET', KEYS[4])
if type(held) == 'string' and string.sub(held, -#generation) == generation then
  return {'HELD'}
end
redis.call('SET', KEYS[4], ARGV[1] .. generation, 'PX', ARGV[2])
if redis.call('ZADD', KEYS[2], redis.call('HINCRBY', KEYS[1], 'registered', 1), ARGV[3]) == 1 then
  redis.call('HINCRBY', KEYS[1], 'live', 1)
end
redis.call('HDEL', KEYS[3], ARGV[3])
return {'OK', generation, unpack(standby)}
