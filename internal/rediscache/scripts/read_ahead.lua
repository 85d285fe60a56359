#!lua flags=allow-oom
-- read_ahead: the live queries with a number above the last one seen, oldest first, with their
-- windows, for an invalidator that does not lead.
--
-- KEYS[1] fence  KEYS[2] live  KEYS[3] windows
-- ARGV[1] who asks  ARGV[2] mark of its last call, '' to begin  ARGV[3] mark of this call
-- ARGV[4] last number seen  ARGV[5] most queries to return  ARGV[6] how long a mark keeps others away, us
-- ARGV[7] term, ARGV[8] generation, ARGV[9] seq that it left here when it led, or '' each
--
-- Each call leaves its mark in the fence, and the next one goes on only if that is still there. So
-- whoever finds the last mark, a takeover too, knows that Redis has not gone back to before any
-- of these calls, and that no generation has begun since: then no number up to the last one seen
-- has been given to another query. seq stays as it is, since the leader counts on it.
--
-- Returns how many are live, and the mark that counts now: none if the caller has led and all is as it
-- has left it. It need not read anything then.
local fence = redis.call('HMGET', KEYS[1], 'term', 'generation', 'seq', 'ahead')
if not fence[2] then
  return {'NOFENCE'}
end
local live = tostring(redis.call('ZCARD', KEYS[2]))
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local mark, at = string.match(fence[4] or '', '^(%S+) (%d+)$')
if ARGV[2] == '' then
  if fence[1] == ARGV[7] and fence[2] == ARGV[8] and fence[3] == ARGV[9] then
    return {'OK', live, ''}
  end
  local age = at and now - at
  if age and 0 <= age and age < tonumber(ARGV[6]) and string.sub(mark, 1, #ARGV[1]) ~= ARGV[1] then
    return {'HELD'}
  end
elseif mark ~= ARGV[2] then
  return {'LOST'}
end
local found = redis.call('ZRANGE', KEYS[2], '(' .. ARGV[4], '+inf', 'BYSCORE', 'LIMIT', 0, ARGV[5], 'WITHSCORES')
redis.call('HSET', KEYS[1], 'ahead', ARGV[3] .. string.format(' %d', now))
local answer = {'OK', live, ARGV[3]}
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
