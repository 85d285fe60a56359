#!lua
-- Whether Redis still takes what may be refused when it is full. It changes nothing. Without
-- a flag that says otherwise a script may not run while Redis is over maxmemory and finds
-- nothing to evict: the answer is then the error OOM.
return {'OK'}
