#!lua
-- fill: store what was read under a lease: the queryset, and the view that was
-- rendered from it.
--
-- KEYS[1] fence  KEYS[2] live  KEYS[3] windows  KEYS[4] lease
-- KEYS[5] queryset  KEYS[6] this view  KEYS[7...] the query's other views
-- ARGV[1] token  ARGV[2] generation of the lease
-- ARGV[3] epoch, server start and database that the database read returned
-- ARGV[4] query  ARGV[5] window ('' = wide)
-- ARGV[6] queryset value  ARGV[7] its ttl, ms  ARGV[8] view value  ARGV[9] its ttl, ms
--
-- Refused if a purge has taken the lease, if it expired, if lease and fence are not of
-- one generation, or read and fence not of one epoch, of a start of PostgreSQL that a leader has taken over,
-- and of one database: what was read of a server that is put back to an older state
-- before its leader comes would stay, and a copy of a database has the same epoch. Value, window and a new registration number change
-- together, so the Purger never judges this content by another one's window;
-- views of an earlier content go for the same reason.
if redis.call('GET', KEYS[4]) ~= ARGV[1] .. ARGV[2] then
  return {'NOLEASE'}
end
local fence = redis.call('HMGET', KEYS[1], 'generation', 'origin')
if fence[1] ~= ARGV[2] or fence[2] ~= ARGV[3] then
  redis.call('UNLINK', KEYS[4])
  return {'EPOCH'}
end
if redis.call('ZADD', KEYS[2], redis.call('HINCRBY', KEYS[1], 'registered', 1), ARGV[4]) == 1 then
  redis.call('HINCRBY', KEYS[1], 'live', 1)
end
if ARGV[5] == '' then
  redis.call('HDEL', KEYS[3], ARGV[4])
else
  redis.call('HSET', KEYS[3], ARGV[4], ARGV[5])
end
redis.call('SET', KEYS[5], ARGV[6], 'PX', ARGV[7])
redis.call('SET', KEYS[6], ARGV[8], 'PX', ARGV[9])
redis.call('UNLINK', KEYS[4], unpack(KEYS, 7))
return {'OK'}
