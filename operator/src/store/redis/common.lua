-- What the writing scripts share. KEYS[1] is the name that all keys begin with. Every script checks all
-- that may refuse it before it writes anything, so that it is done whole or not at all.
local p = KEYS[1]
local next_arg = 1
local function take()
  next_arg = next_arg + 1
  return ARGV[next_arg - 1]
end
local function job_key(uid) return p .. ':job:' .. uid end

-- The place among those that wait: higher priority first, then who came earlier.
local function place(uid, priority, at, units)
  return string.format('%010.0f', 2147483647 - tonumber(priority)) .. ':' .. at .. ':' .. uid .. ':' .. units
end

local function leave_queue(key)
  local pool, member = unpack(redis.call('HMGET', key, 'queue', 'place'))
  if pool and member and member ~= '' then
    redis.call('ZREM', p .. ':waiting:' .. pool, member)
    redis.call('ZREM', p .. ':waiting-many:' .. pool, member)
  end
end

local function enter_queue(key, uid, waiting, pool, priority, at, units)
  local member = ''
  if waiting == '1' then
    member = place(uid, priority, at, units)
    redis.call('ZADD', p .. ':waiting:' .. pool, 0, member)
    if units ~= '1' then redis.call('ZADD', p .. ':waiting-many:' .. pool, 0, member) end
  end
  redis.call('HSET', key, 'queue', pool, 'place', member)
end

local function give_back(uid)
  local held = redis.call('HGETALL', p .. ':held:' .. uid)
  for n = 1, #held, 2 do redis.call('HINCRBY', p .. ':pools', held[n], '-' .. held[n + 1]) end
  redis.call('DEL', p .. ':held:' .. uid)
end

-- Numbers the events that stand at the end of ARGV and keeps them; forgets the oldest.
local function tell(tenant, uid)
  local most, by = take(), take()
  while next_arg <= #ARGV do
    local seq = string.format('%.0f', redis.call('INCR', p .. ':seq'))
    redis.call('XADD', p .. ':events', 'MAXLEN', '=', most, seq .. '-0',
      'tenant', tenant, 'uid', uid, 'reason', take(), 'message', take(), 'at', take(), 'by', by)
    redis.call('ZADD', p .. ':events-of:' .. uid, seq, seq)
  end
end
