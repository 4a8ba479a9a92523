-- Appends all of the events, or none. ARGV from 7: most events, most bytes, most age (milliseconds) that the stream keeps,
-- each empty for no bound; most events to trim; then for each event its id and its JSON after `{"seq":…`.
-- Answers {epoch, [seq, 1 if the stream had it, ...]}.
local FIRST = 11

local stream, refused = open(true)
if refused then
  return refused
end
local now = clock()

-- Who has it already, and how many have not.
local places, fresh, seen = {}, 0, {}
for at = FIRST, #ARGV, 2 do
  local id = ARGV[at]
  local seq = redis.call('HGET', ids, id)
  places[#places + 1] = seq
  if not seq and not seen[id] then
    seen[id] = true
    fresh = fresh + 1
  end
end
if fresh > 0 and stream.ended == '1' then
  return redis.error_reply('ENDED the stream has ended')
end
local first = math.max(stream.head + 1, now * IN_A_MS)
if fresh > 0 and first + fresh - 1 > MAX_SEQ then
  return redis.error_reply('FULL the stream has used every seq')
end

local answer, given, seq = {}, {}, first
for n = 1, #places do
  local id, json = ARGV[FIRST + 2 * (n - 1)], ARGV[FIRST + 2 * n - 1]
  local had = places[n] or given[id]
  if had then
    answer[#answer + 1] = tonumber(had)
    answer[#answer + 1] = 1
  else
    redis.call('XADD', events, entry_id(seq), 'i', id, 'j', json, 't', text(now))
    redis.call('HSET', ids, id, text(seq))
    given[id] = seq
    stream.head = seq
    stream.events = stream.events + 1
    stream.bytes = stream.bytes + entry_bytes(seq, json)
    answer[#answer + 1] = seq
    answer[#answer + 1] = 0
    seq = seq + 1
  end
end
if fresh > 0 then
  trim(stream, now, tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10]))
  save(stream)
  changed(stream)
end
return { stream.epoch, answer }
