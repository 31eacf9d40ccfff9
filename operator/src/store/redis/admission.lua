#!lua flags=no-writes
-- KEYS: the name that all keys begin with. ARGV: pool, uid, and what `place` takes of it. Gives how much
-- of the pool is held (sites have pools of their own, `pool@site`, and one line), how many wait before the job, and how many units those want.
local p = KEYS[1]
local pool, uid, priority, at = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local stands = redis.call('HGET', p .. ':job:' .. uid, 'at') or at
local own = string.format('%010.0f', 2147483647 - tonumber(priority)) .. ':' .. stands .. ':' .. uid
local ahead, wanted = 0, 0
for _, queue in ipairs({ string.match(pool, '^[^@]*'), '' }) do
  local before = redis.call('ZLEXCOUNT', p .. ':waiting:' .. queue, '-', '(' .. own)
  ahead = ahead + before
  wanted = wanted + before
  for _, many in ipairs(redis.call('ZRANGE', p .. ':waiting-many:' .. queue, '-', '(' .. own, 'BYLEX')) do
    wanted = wanted + tonumber(string.match(many, ':(%d+)$')) - 1
  end
end
return { tonumber(redis.call('HGET', p .. ':pools', pool) or '0'), ahead, wanted }
