#!lua flags=allow-oom
-- Says that a server is in touch, and looks whether it still has what it has.
-- KEYS as in take.lua: 1 who has which consumer, 2 until when each server is in touch.
-- ARGV: 1 the server, 2 for how long it is in touch, 3 how long a server that is not is remembered (milliseconds); then for
-- each consumer that it has its name, fence and the rest of its row. What nobody has taken since is its own again, if it was
-- forgotten: a replica that became the primary may not have heard of it.
-- Answers {[servers that are long gone], [consumer, fence, 'c' or 'o' of those that were taken since]}.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
redis.call('ZADD', KEYS[2], now + tonumber(ARGV[2]), ARGV[1])
local taken = {}
for at = 4, #ARGV, 3 do
  local mine = ARGV[at + 1] .. ' ' .. ARGV[1] .. ' '
  local row = redis.call('HGET', KEYS[1], ARGV[at])
  local fence, why
  if row then
    fence, why = string.match(row, '^(%d+) %S+ (%a) ')
  end
  if fence and tonumber(fence) > tonumber(ARGV[at + 1]) then
    taken[#taken + 1] = ARGV[at]
    taken[#taken + 1] = fence
    taken[#taken + 1] = why
  elseif not row or string.sub(row, 1, #mine) ~= mine then
    redis.call('HSET', KEYS[1], ARGV[at], mine .. ARGV[at + 2])
  end
end
return { redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now - tonumber(ARGV[3])), taken }
