#!lua
-- release: give a lease back after a read that failed, so that the next caller
-- need not wait for its end. The registration stays: cleanup removes it.
--
-- KEYS[1] lease  ARGV[1] token and generation
if redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('UNLINK', KEYS[1])
  return {'OK'}
end
return {'NOLEASE'}
