#!lua flags=allow-oom
-- remove: remove what is cached of queries, or about to be, because somebody asks for it.
--
-- KEYS[1] live (it only says on which server the partition is)
-- ARGV[1] PUBLISH, or SPUBLISH in a cluster  ARGV[2] channel
-- ARGV[3] number of stems  ARGV[4...] the stems of an entry's names, then the queries
--
-- It does what eviction does, and gives the names to in-process caches besides, in one message. No number of
-- the fence changes, and no registration goes: the invalidator's cleanup finds those of which
-- nothing is left. If Redis forgets this, the values are there again, and as fresh as they
-- were, since every purge for a change is under the fence. With the values go the leases, so
-- that a fill which has read before this is refused.
local stems, removed = tonumber(ARGV[3]), 0
for i = 4 + stems, #ARGV do
  local names = {}
  for s = 4, 3 + stems do
    names[#names + 1] = ARGV[s] .. ARGV[i]
  end
  if redis.call('UNLINK', unpack(names)) > 0 then
    removed = removed + 1
  end
end
if #ARGV > 3 + stems then
  redis.call(ARGV[1], ARGV[2], table.concat(ARGV, '\n', 4 + stems))
end
return {'OK', tostring(removed)}
