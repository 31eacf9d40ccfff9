-- ARGV: uid, version, how long its events can be asked for in seconds, then events.
local uid, version, keep = take(), take(), take()
local key = job_key(uid)
local stands, tenant, name, idem, body = unpack(redis.call('HMGET', key, 'version', 'tenant', 'name', 'key', 'body'))
if not stands then return { 'gone' } end
if stands ~= version then return { 'outdated' } end
leave_queue(key)
give_back(uid)
redis.call('DEL', key)
redis.call('HDEL', p .. ':names', tenant .. '\n' .. name)
if idem ~= '' then redis.call('HDEL', p .. ':keys', tenant .. '\n' .. idem) end
redis.call('ZREM', p .. ':jobs', uid)
redis.call('ZREM', p .. ':jobs-of:' .. tenant, uid)
redis.call('ZREM', p .. ':open', uid)
tell(tenant, uid)
redis.call('EXPIRE', p .. ':events-of:' .. uid, keep)
return { 'ok', body, version }
