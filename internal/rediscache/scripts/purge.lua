-- purge: remove everything that is cached of the given queries, or about to be.
--
-- KEYS[3] windows
-- ARGV[4] batch  ARGV[5] origin: epoch, PostgreSQL start and database that the batch is of
-- ARGV[6] PUBLISH, or SPUBLISH in a cluster  ARGV[7] channel
-- ARGV[8] number of stems  ARGV[9...] the stems of an entry's names, then the queries
--
-- With the values go the leases, so that a fill that has read older rows is
-- refused, and the registrations. The names are published for in-process caches: one message for
-- all, since a message costs Redis a write for each subscriber, whatever is in it. Answered is also
-- to how many.
local stems = tonumber(ARGV[8])
local queries = {unpack(ARGV, 9 + stems)}
local names, receivers = {}, 0
for _, query in ipairs(queries) do
  for s = 9, 8 + stems do
    names[#names + 1] = ARGV[s] .. query
  end
end
if #queries > 0 then
  redis.call('UNLINK', unpack(names))
  local gone = redis.call('ZREM', KEYS[2], unpack(queries))
  if gone > 0 then
    redis.call('HINCRBY', KEYS[1], 'live', -gone)
  end
  redis.call('HDEL', KEYS[3], unpack(queries))
  receivers = redis.call(ARGV[6], ARGV[7], table.concat(queries, '\n'))
end
redis.call('HSET', KEYS[1], 'batch', ARGV[4], 'origin', ARGV[5])
return {'OK', tostring(redis.call('HINCRBY', KEYS[1], 'seq', 1)), tostring(receivers)}
