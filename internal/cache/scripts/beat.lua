-- beat: publish the proof that everything visible at the noted time has been
-- applied. It ends by itself, B after the noted time.
--
-- KEYS[3] beat
-- ARGV[4] noted time, us  ARGV[5] end, ms  ARGV[6] value
--
-- Refused if the noted time lies in the future of this node's clock or before
-- that of the present beat, and if the end is past (setting an expiry in the
-- past would delete the beat that is there).
local now = redis.call('TIME')
local now_ms = now[1] * 1000 + math.floor(now[2] / 1000)
if tonumber(ARGV[4]) > now[1] * 1000000 + now[2] then
  return {'FUTURE'}
end
if tonumber(ARGV[5]) <= now_ms then
  return {'LATE'}
end
local present = redis.call('GET', KEYS[3])
if present then
  local noted = string.match(present, '^%S+ (%d+)')
  if noted and tonumber(noted) > tonumber(ARGV[4]) then
    return {'LATE'}
  end
end
redis.call('SET', KEYS[3], ARGV[6], 'PXAT', ARGV[5])
return {'OK'}
