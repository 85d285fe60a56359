#!lua
-- keep_moment: store a moment, and give the right to make it back.
--
-- KEYS[1] moment  KEYS[2] lease
-- ARGV[1] token of the attempt  ARGV[2] value, '' for none  ARGV[3] its ttl, ms
--
-- Whose right has ended stores nothing: his moment has ended too, and would stand in the place
-- of a later one.
if redis.call('GET', KEYS[2]) ~= ARGV[1] then
  return {'NOLEASE'}
end
redis.call('UNLINK', KEYS[2])
if ARGV[2] ~= '' then
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
end
return {'OK'}
