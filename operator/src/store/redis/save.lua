-- ARGV: uid, version, tenant, name, body, type, phase, open, waiting, pool, priority, units, then how
-- many holds (nothing: they stay) and for each its pool, units and capacity, then events.
local uid, version, tenant, name = take(), take(), take(), take()
local body, kind, phase, open, waiting, pool, priority, units = take(), take(), take(), take(), take(), take(), take(), take()
local key = job_key(uid)
local stands, was_tenant, was_name, was_kind, at = unpack(redis.call('HMGET', key, 'version', 'tenant', 'name', 'type', 'at'))
if not stands then return { 'gone' } end
if stands ~= version then return { 'outdated' } end
local holds = take()
local wanted = {}
if holds ~= '' then
  for _ = 1, tonumber(holds) do
    local w = { pool = take(), units = take(), capacity = take() }
    local all = tonumber(redis.call('HGET', p .. ':pools', w.pool) or '0')
    local own = tonumber(redis.call('HGET', p .. ':held:' .. uid, w.pool) or '0')
    if all - own + tonumber(w.units) > tonumber(w.capacity) then return { 'full', w.pool } end
    wanted[#wanted + 1] = w
  end
end
if was_tenant ~= tenant or was_name ~= name or was_kind ~= kind then return { 'changed' } end
if holds ~= '' then
  give_back(uid)
  for _, w in ipairs(wanted) do
    redis.call('HSET', p .. ':held:' .. uid, w.pool, w.units)
    redis.call('HINCRBY', p .. ':pools', w.pool, w.units)
  end
end
redis.call('HSET', key, 'body', body, 'version', string.format('%.0f', tonumber(version) + 1),
  'phase', phase, 'open', open)
if open == '1' then redis.call('ZADD', p .. ':open', at, uid) else redis.call('ZREM', p .. ':open', uid) end
leave_queue(key)
enter_queue(key, uid, waiting, pool, priority, at, units)
tell(tenant, uid)
return { 'ok' }
