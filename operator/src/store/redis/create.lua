-- ARGV: uid, tenant, name, key or nothing, at, then what `keep` takes, then events.
local uid, tenant, name, idem, at = take(), take(), take(), take(), take()
local known = idem ~= '' and redis.call('HGET', p .. ':keys', tenant .. '\n' .. idem)
if known then return { 'existing', redis.call('HGET', job_key(known), 'body') or '', redis.call('HGET', job_key(known), 'version') or '' } end
if redis.call('HEXISTS', p .. ':names', tenant .. '\n' .. name) == 1 or redis.call('EXISTS', job_key(uid)) == 1 then
  return { 'taken' }
end
local key = job_key(uid)
local body, kind, phase, open, waiting, pool, priority, units = take(), take(), take(), take(), take(), take(), take(), take()
redis.call('HSET', key, 'body', body, 'version', '1', 'tenant', tenant, 'name', name, 'key', idem,
  'type', kind, 'phase', phase, 'open', open, 'at', at)
redis.call('HSET', p .. ':names', tenant .. '\n' .. name, uid)
if idem ~= '' then redis.call('HSET', p .. ':keys', tenant .. '\n' .. idem, uid) end
redis.call('ZADD', p .. ':jobs', at, uid)
redis.call('ZADD', p .. ':jobs-of:' .. tenant, at, uid)
if open == '1' then redis.call('ZADD', p .. ':open', at, uid) end
enter_queue(key, uid, waiting, pool, priority, at, units)
tell(tenant, uid)
return { 'new' }
