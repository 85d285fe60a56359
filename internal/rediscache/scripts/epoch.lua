#!lua flags=allow-oom
-- epoch: begin a new generation of one partition: whatever is cached there is void.
--
-- KEYS[1] fence  KEYS[2] live  KEYS[3] windows  KEYS[4] beat
-- ARGV[1] term  ARGV[2] generation  ARGV[3] origin: epoch, PostgreSQL start and database
-- ARGV[4] PUBLISH, or SPUBLISH in a cluster  ARGV[5] channel
-- ARGV[6] floor: what a standby must have replayed of PostgreSQL's log
--
-- Old values stay until they expire: they bear another generation than every beat to
-- come, so nobody takes them for valid. '*' tells in-process caches to drop all.
-- Whatever somebody else has put under these names goes, too.
local term = redis.pcall('HGET', KEYS[1], 'term')
if type(term) == 'string' and tonumber(term) > tonumber(ARGV[1]) then
  return {'FENCED'}
end
redis.call('UNLINK', KEYS[1], KEYS[2], KEYS[3], KEYS[4])
redis.call('HSET', KEYS[1], 'term', ARGV[1], 'generation', ARGV[2], 'seq', 0,
  'registered', 0, 'live', 0, 'batch', 0, 'origin', ARGV[3], 'floor', ARGV[6], 'floor_term', ARGV[1])
redis.call(ARGV[4], ARGV[5], '*')
return {'OK', '0'}
