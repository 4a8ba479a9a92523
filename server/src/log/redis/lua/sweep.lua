#!lua flags=allow-oom
-- Lets go what servers had that are long gone. KEYS as in take.lua. ARGV: 1 how long such a server is remembered
-- (milliseconds), 2 the server; then consumers that it may have had; without any, the server itself is let go.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local till = redis.call('ZSCORE', KEYS[2], ARGV[2])
if till and tonumber(till) >= now - tonumber(ARGV[1]) then
  return redis.status_reply('OK')
end
if #ARGV == 2 then
  redis.call('ZREM', KEYS[2], ARGV[2])
end
for at = 3, #ARGV do
  local row = redis.call('HGET', KEYS[1], ARGV[at])
  if row and string.match(row, '^%d+ (%S+) ') == ARGV[2] then
    redis.call('HDEL', KEYS[1], ARGV[at])
  end
end
return redis.status_reply('OK')
