#!lua flags=no-writes,allow-oom
-- Under which fence servers that are in touch have consumers. KEYS as in take.lua. ARGV: consumers. Answers a fence for
-- each, '0' for none.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local answer = {}
for at = 1, #ARGV do
  local row = redis.call('HGET', KEYS[1], ARGV[at])
  local fence, server
  if row then
    fence, server = string.match(row, '^(%d+) (%S+) ')
  end
  local till = server and redis.call('ZSCORE', KEYS[2], server)
  answer[at] = till and tonumber(till) > now and fence or '0'
end
return answer
