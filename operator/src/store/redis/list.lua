#!lua flags=no-writes
-- KEYS: the name that all keys begin with. ARGV: tenant, name, key, type, phases (with spaces around
-- each), whether only open ones, the score to begin at, the uid to begin before or nothing, how many.
-- Gives for each job its body, version, place and uid, newest first.
local p = KEYS[1]
local tenant, name, idem, kind, phases, open, from, before, most =
  ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7], ARGV[8], tonumber(ARGV[9])
local list = p .. ':jobs'
if open == '1' then list = p .. ':open' elseif tenant ~= '' then list = p .. ':jobs-of:' .. tenant end
local found = {}
local function look(uid)
  local body, version, t, n, i, k, ph, o, at =
    unpack(redis.call('HMGET', p .. ':job:' .. uid, 'body', 'version', 'tenant', 'name', 'key', 'type', 'phase', 'open', 'at'))
  if body
    and (tenant == '' or t == tenant) and (name == '' or n == name) and (idem == '' or i == idem)
    and (kind == '' or k == kind) and (open ~= '1' or o == '1')
    and (phases == '' or string.find(phases, ' ' .. ph .. ' ', 1, true)) then
    found[#found + 1] = { body, version, at, uid }
  end
end
local step, offset = 200, 0
while #found < most do
  local uids = redis.call('ZRANGE', list, from, '-inf', 'BYSCORE', 'REV', 'LIMIT', offset, step, 'WITHSCORES')
  if #uids == 0 then break end
  for n = 1, #uids, 2 do
    local skip = before ~= '' and string.format('%.0f', tonumber(uids[n + 1])) == from and uids[n] >= before
    if not skip and #found < most then look(uids[n]) end
  end
  offset = offset + step
end
return found
