#!lua flags=allow-oom
-- takeover: make the fence a new leader's, if it is where PostgreSQL says that
-- the last leader left it.
--
-- KEYS[1] fence  KEYS[2] live
-- ARGV[1] new term  ARGV[2] generation  ARGV[3] term, ARGV[4] seq, ARGV[5] batch as stored with the position
-- ARGV[6] origin: epoch, PostgreSQL start and database  ARGV[7] the least term that is another leader's
-- ARGV[8] seq to begin with: above all that the leader has asked for in its term
-- ARGV[9] floor: what a standby must have replayed of PostgreSQL's log
--
-- Behind the stored (term, seq): Redis has forgotten purges. The batch is the last
-- one that was applied: as stored, or the one after that, of a leader that did not come
-- to store the position. That may be only if PostgreSQL has not been restarted since;
-- otherwise, and if it is any other, it is PostgreSQL that has gone back (an old data
-- directory was put in place).
--
-- A leader that has lost sight of a partition takes it over again in its own term, with another
-- seq each time. So what it sent before and comes late is refused, a takeover too: then seq is
-- not below the one to begin with. And no two histories of a partition come to one (term, seq), even
-- if Redis forgets a part of one: what stood there is known by these two.
--
-- The floor covers all that any leader before has drained. It bears the term of its leader: one of an
-- earlier version keeps none, and readers then see that there is none.
--
-- Returns the new seq, the batch, and term and seq before: by these the new leader knows
-- whether Redis is where it itself has left it. Then the last mark of who read ahead: by that it
-- knows whether it is where it itself has read.
local fence = redis.call('HMGET', KEYS[1], 'term', 'generation', 'seq', 'live', 'batch', 'origin', 'ahead', 'floor')
if fence[1] and tonumber(fence[1]) >= tonumber(ARGV[7]) then
  return {'FENCED'}
end
if not fence[1] or fence[2] ~= ARGV[2] or tonumber(fence[4]) ~= redis.call('ZCARD', KEYS[2]) then
  return {'LOST'}
end
local term, seq, batch = tonumber(fence[1]), tonumber(fence[3]), tonumber(fence[5])
if term < tonumber(ARGV[3]) or (term == tonumber(ARGV[3]) and seq < tonumber(ARGV[4])) then
  return {'LOST'}
end
if batch ~= tonumber(ARGV[5]) and (batch ~= ARGV[5] + 1 or fence[6] ~= ARGV[6]) then
  return {'LOST'}
end
if term == tonumber(ARGV[1]) and seq >= tonumber(ARGV[8]) then
  return {'FENCED'}
end
local floor = fence[8] or ''
if floor < ARGV[9] then
  floor = ARGV[9]
end
redis.call('HSET', KEYS[1], 'term', ARGV[1], 'seq', ARGV[8], 'origin', ARGV[6])
redis.call('HSET', KEYS[1], 'floor', floor, 'floor_term', ARGV[1])
return {'OK', ARGV[8], fence[5], fence[1], fence[3], fence[7] or ''}
