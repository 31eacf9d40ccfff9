#!lua flags=allow-oom
-- KEYS: `nodes` after the prefix. ARGV: our site, for how many seconds it counts as heard of. Says that we are
-- there; gives the sites of which nothing is heard, and those that a person has called gone.
local nodes, own, seconds = KEYS[1], ARGV[1], ARGV[2]
local p = string.match(nodes, '^(.*)nodes$')
redis.call('ZADD', nodes, 0, own)
redis.call('SET', p .. 'node:' .. own, '1', 'EX', seconds)
local away, gone = {}, {}
for _, site in ipairs(redis.call('ZRANGE', nodes, '0', '-1')) do
  if redis.call('EXISTS', p .. 'gone:' .. site) == 1 then
    gone[#gone + 1] = site
  elseif redis.call('EXISTS', p .. 'node:' .. site) == 0 then
    away[#away + 1] = site
  end
end
return { away, gone }
