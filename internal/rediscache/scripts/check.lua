-- check.lua: the beginning of every script of the Purger. It is put in front of
-- each of them and is no script by itself.
--
-- KEYS[1] fence   KEYS[2] live
-- ARGV[1] term    ARGV[2] generation    ARGV[3] seq: what the caller believes
--
-- A higher term in the fence: another invalidator leads, the caller must stop.
-- Anything else that differs: Redis is not where the caller left it (it lost
-- writes, was restored, or evicted `live`), so nothing in it can be trusted.
local fence = redis.call('HMGET', KEYS[1], 'term', 'generation', 'seq', 'live')
if fence[1] and tonumber(fence[1]) > tonumber(ARGV[1]) then
  return {'FENCED'}
end
if fence[1] ~= ARGV[1] or fence[2] ~= ARGV[2] or fence[3] ~= ARGV[3]
  or tonumber(fence[4]) ~= redis.call('ZCARD', KEYS[2]) then
  return {'LOST'}
end
