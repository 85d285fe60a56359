#!lua
-- store_view: store a view rendered from a queryset that was found in Redis.
--
-- KEYS[1] fence  KEYS[2] queryset  KEYS[3] view
-- ARGV[1] head of the queryset that was rendered  ARGV[2] its epoch  ARGV[3] view value  ARGV[4] ttl, ms
--
-- Refused unless that very queryset (same build, epoch and fill) is still the
-- one in Redis: a purge in between has removed it.
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[2] then
  return {'EPOCH'}
end
if redis.call('GETRANGE', KEYS[2], 0, #ARGV[1] - 1) ~= ARGV[1] then
  return {'DISOWNED'}
end
redis.call('SET', KEYS[3], ARGV[3], 'PX', ARGV[4])
return {'OK'}
