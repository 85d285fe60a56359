#!lua
-- store_view: store a view rendered from a queryset that was found in Redis.
--
-- KEYS[1] queryset  KEYS[2] view
-- ARGV[1] head of the queryset that was rendered  ARGV[2] view value  ARGV[3] ttl, ms
--
-- Refused unless that very queryset (same build, epoch and fill) is still the
-- one in Redis: a purge in between has removed it. (In a new epoch both are void.)
if redis.call('GETRANGE', KEYS[1], 0, #ARGV[1] - 1) ~= ARGV[1] then
  return {'NOLEASE'}
end
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
return {'OK'}
