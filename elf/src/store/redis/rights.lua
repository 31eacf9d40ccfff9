#!lua flags=no-writes
-- ARGV: one key of each kind. Gives the commands and keys that the user of this connection may not use.
-- Rights that end in the middle of a script would leave half of a change, so all are asked for before.
local lacking, listed = {}, {}
local function need(what, ...)
  if not listed[what] and not redis.acl_check_cmd(...) then
    listed[what] = true
    lacking[#lacking + 1] = what
  end
end
local calls = {
  get = {}, set = { '1' }, del = {}, expire = { '1' }, exists = {}, incr = {},
  hget = { 'f' }, hset = { 'f', '1' }, hdel = { 'f' }, hmget = { 'f' }, hgetall = {}, hexists = { 'f' },
  hincrby = { 'f', '1' },
  zadd = { '1', 'm' }, zrem = { 'm' }, zrange = { '0', '1' }, zlexcount = { '-', '+' },
  xadd = { '*', 'f', 'v' }, xrange = { '-', '+' },
}
local key
for _, name in ipairs(ARGV) do
  -- EVALSHA is allowed, or this would not run: what it may lack is the key.
  need(name, 'evalsha', 'x', '1', name)
  key = key or (not listed[name] and name)
end
if key then
  for name, rest in pairs(calls) do need(name, name, key, unpack(rest)) end
  need('xread', 'xread', 'streams', key, '0')
end
need('eval', 'eval', 'x', '0')
need('script|load', 'script', 'load', 'x')
need('wait', 'wait', '1', '1')
table.sort(lacking)
return lacking
