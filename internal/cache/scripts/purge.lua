-- purge: remove everything that is cached of the given queries, or about to be.
--
-- KEYS[3] windows  KEYS[4] channel
-- ARGV[4] batch  ARGV[5] server: of which PostgreSQL start the batch is
-- ARGV[6] number of stems  ARGV[7...] the stems of an entry's names, then the queries
--
-- With the values go the leases, so that a fill that has read older rows is
-- refused, and the registrations. The names are published for in-process caches.
local stems = tonumber(ARGV[6])
for i = 7 + stems, #ARGV do
  local query = ARGV[i]
  local names = {}
  for s = 7, 6 + stems do
    names[#names + 1] = ARGV[s] .. query
  end
  redis.call('UNLINK', unpack(names))
  if redis.call('ZREM', KEYS[2], query) == 1 then
    redis.call('HINCRBY', KEYS[1], 'live', -1)
  end
  redis.call('HDEL', KEYS[3], query)
  redis.call('PUBLISH', KEYS[4], query)
end
redis.call('HSET', KEYS[1], 'batch', ARGV[4], 'server', ARGV[5])
return {'OK', tostring(redis.call('HINCRBY', KEYS[1], 'seq', 1))}
