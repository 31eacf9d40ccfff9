#!lua
-- KEYS: the tenant's name. ARGV: expected head, number of rows, rows, then puts of five: S or G, kind,
-- id, place, body. Everything is checked before anything is written.
local p = KEYS[1]
local head = redis.call('GET', p .. ':head') or '0'
if head ~= ARGV[1] then return 'conflict' end
local rows = tonumber(ARGV[2])
local at = 3
for n = 1, rows do
  local seq = string.format('%.0f', tonumber(head) + n)
  redis.call('XADD', p .. ':log', seq .. '-0', 'r', ARGV[at])
  at = at + 1
end
if rows > 0 then
  redis.call('SET', p .. ':head', string.format('%.0f', tonumber(head) + rows))
end
while at <= #ARGV do
  local kind, id = ARGV[at + 1], ARGV[at + 2]
  if ARGV[at] == 'S' then
    redis.call('HSET', p .. ':' .. kind, id, ARGV[at + 3] .. ' ' .. ARGV[at + 4])
    redis.call('ZADD', p .. ':' .. kind .. ':by-place', ARGV[at + 3], id)
  else
    redis.call('HDEL', p .. ':' .. kind, id)
    redis.call('ZREM', p .. ':' .. kind .. ':by-place', id)
  end
  at = at + 5
end
return 'ok'
