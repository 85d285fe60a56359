-- cleanup: scan some live queries and remove those that have no lease, no queryset
-- and no view left.
--
-- KEYS[3] windows
-- ARGV[4] registration number to start behind  ARGV[5] most queries to scan
-- ARGV[6] PUBLISH, or SPUBLISH in a cluster  ARGV[7] channel
-- ARGV[8] number of stems  ARGV[9...] the stems of an entry's names
--
-- Returns the number to go on from ('' after the last) and what it removed. An
-- in-process cache may hold what Redis has evicted, so the names are published, in one message.
local found = redis.call('ZRANGE', KEYS[2], '(' .. ARGV[4], '+inf', 'BYSCORE', 'LIMIT', 0, ARGV[5], 'WITHSCORES')
local answer = {'OK', ARGV[3], #found < 2 * tonumber(ARGV[5]) and '' or found[#found]}
for i = 1, #found, 2 do
  local names = {}
  for s = 9, #ARGV do
    names[#names + 1] = ARGV[s] .. found[i]
  end
  if redis.call('EXISTS', unpack(names)) == 0 then
    redis.call('ZREM', KEYS[2], found[i])
    redis.call('HINCRBY', KEYS[1], 'live', -1)
    redis.call('HDEL', KEYS[3], found[i])
    answer[#answer + 1] = found[i]
  end
end
if #answer > 3 then
  redis.call(ARGV[6], ARGV[7], table.concat(answer, '\n', 4))
  answer[2] = tostring(redis.call('HINCRBY', KEYS[1], 'seq', 1))
end
return answer
