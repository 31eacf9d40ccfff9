#!lua flags=no-writes
-- KEYS: the tenant's name. ARGV: kinds. Gives the head, then for each kind its ids and bodies.
local p = KEYS[1]
local found = {}
for n, kind in ipairs(ARGV) do
  found[n] = redis.call('HGETALL', p .. ':' .. kind)
end
return { redis.call('GET', p .. ':head') or '0', found }
