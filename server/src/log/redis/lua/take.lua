#!lua flags=allow-oom
-- Takes a consumer for a server.
-- KEYS: 1 who has which consumer (hash: consumer -> '<fence> <server> <c|o> <session> <connection>', the last two of the
-- newest connection), 2 until when each server is in touch (sorted set, milliseconds since 1970). Both are of the house that
-- the consumer belongs to.
-- ARGV: 1 the consumer, 2 the server, 3 the fence under which it has it already, as far as it knows ('0': it has not),
-- 4 'c' for a connection, which takes it from whoever has it unless that is a newer one of its session; 'o' for an
-- operation, which does not take it from a server that is in touch; 5 the connection's session ('?': not known) and 6 its
-- number there; 7 how long the server is in touch from now on, in milliseconds; 8 a server that says it has it not.
-- Answers {fence, the other server that has or had it, for how long that one is in touch}; the fence is '0' if the consumer
-- stays there, and empty if a newer connection has it.
local function text(number)
  return string.format('%.0f', number)
end

local time = redis.call('TIME')
local now_us = tonumber(time[1]) * 1000000 + tonumber(time[2])
local now = math.floor(now_us / 1000)
local row = redis.call('HGET', KEYS[1], ARGV[1])
local fence, server, why, session, connection
if row then
  fence, server, why, session, connection = string.match(row, '^(%d+) (%S+) (%a) (%S+) (%d+)$')
end
if ARGV[4] == 'c' and ARGV[5] ~= '?' and session == ARGV[5] and tonumber(connection) > tonumber(ARGV[6]) then
  return { '', '', 0 }
end
local in_touch = 0
if server and server ~= ARGV[2] then
  local till = redis.call('ZSCORE', KEYS[2], server)
  in_touch = till and math.max(0, tonumber(till) - now) or 0
  if ARGV[4] == 'o' and in_touch > 0 and server ~= ARGV[8] then
    return { '0', server, in_touch }
  end
end
if server ~= ARGV[2] or fence ~= ARGV[3] then
  -- A time, so that it is larger than those of takings that were forgotten.
  fence, why = text(math.max(now_us, tonumber(fence or '0') + 1)), ARGV[4]
elseif ARGV[4] == 'c' then
  why = 'c'
end
if ARGV[4] == 'c' or not session then
  session, connection = ARGV[5], ARGV[6]
end
redis.call('HSET', KEYS[1], ARGV[1], table.concat({ fence, ARGV[2], why, session, connection }, ' '))
redis.call('ZADD', KEYS[2], now + tonumber(ARGV[7]), ARGV[2])
if server == ARGV[2] then
  server = false
end
return { fence, server or '', in_touch }
