-- beat: publish the proof that everything visible at the noted time has been
-- applied. It has no TTL, or a full Redis could evict it: its value says when it ends,
-- and every reader compares that with the clock.
--
-- KEYS[3] beat
-- ARGV[4] noted time, us  ARGV[5] its end, us  ARGV[6] value
--
-- Refused if the noted time lies in the future of this node's clock or before that of
-- the present beat, and if the end is past. (A present beat from the future tells that
-- the clock has been set back; it must not stand in the way until then.)
local clock = redis.call('TIME')
local now, noted = clock[1] * 1000000 + clock[2], tonumber(ARGV[4])
if noted > now then
  return {'FUTURE'}
end
if tonumber(ARGV[5]) <= now then
  return {'LATE'}
end
local present = redis.call('GET', KEYS[3])
local before = present and tonumber(string.match(present, '^%S+ (%d+) '))
if before and before > noted and before <= now then
  return {'LATE'}
end
redis.call('SET', KEYS[3], ARGV[6])
return {'OK'}
