-- Keeps what became of events for consumers. KEYS: 1 the partition, 2 who was saved when (sorted set); then for each
-- consumer 3 their states (hash), 4 their names in order (sorted set), 5 the streams of its name (sorted set), 6 under which
-- fences they were claimed (hash, see claim.lua).
-- ARGV: 1 the caller's clock; then for each consumer the stream, its subject, its name, its state, the fence under which it
-- was taken ('0': by nobody), the save's version, and '1' if it is connected.
-- Answers the places, from 1, of those that were refused because a newer fence has claimed them. What a later version of
-- the same fence has overtaken is not kept, and not refused.
local FIELD = '\0'
local function tell(saved)
  local expected = redis.call('HGET', KEYS[1], 'expected')
  if not expected then
    return
  end
  local time = redis.call('TIME')
  if tonumber(expected) > tonumber(time[1]) * 1000 + tonumber(time[2]) / 1000 then
    for stream in pairs(saved) do
      redis.call('SPUBLISH', KEYS[1], 'saved ' .. stream)
    end
  end
end

-- Something is written unless all are refused: a WAIT on this connection waits for it.
local key, place, refused, saved = 3, 1, {}, {}
for at = 2, #ARGV, 7 do
  local stream, subject, consumer, state = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  local fence, version = tonumber(ARGV[at + 4]), tonumber(ARGV[at + 5])
  local who = subject .. FIELD .. consumer
  local claimed, newest = 0, 0
  local claim = redis.call('HGET', KEYS[key + 3], who)
  if claim then
    claimed, newest = string.match(claim, '^(%d+) (%d+) ')
    claimed, newest = tonumber(claimed), tonumber(newest)
  end
  if claimed > fence then
    refused[#refused + 1] = place
  elseif claimed < fence or fence == 0 or version > newest then
    if fence > 0 then
      redis.call('HSET', KEYS[key + 3], who, ARGV[at + 4] .. ' ' .. ARGV[at + 5] .. ' ' .. ARGV[at + 6])
    end
    redis.call('HSET', KEYS[key], who, state)
    redis.call('ZADD', KEYS[key + 1], 0, who)
    redis.call('ZADD', KEYS[key + 2], 0, stream .. FIELD .. subject)
    redis.call('ZADD', KEYS[2], ARGV[1], stream .. FIELD .. who)
    saved[stream] = true
  end
  key, place = key + 4, place + 1
end
tell(saved)
return refused
