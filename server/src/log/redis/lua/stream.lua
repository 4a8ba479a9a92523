-- What the scripts of one stream share; it stands before each of them.
--
-- KEYS  1 the stream's partition   hash: history, generation, newest, changes
--       2 what is known of it      hash: epoch, head, trimmed, ended, events, bytes, generation, holes
--       3 its events               Redis stream: id <ms>-<n>; i the event's id, j its JSON after `{"seq":…`, t stored at
--       4 its events' ids          hash: id -> seq
--       5 the partition's streams  sorted set, by name
-- ARGV  1 its name
--       2 the caller's clock, milliseconds since 1970
--       3 the highest seq that the caller has seen in this partition
--       4 '1' if a restart of this Redis loses nothing (appendfsync always)
--       5 the epoch to give it if it is new
--       6 '1' to write something in any case, so that a WAIT on this connection waits for what was written before
--
-- All of them have one hash tag, and so one slot of a cluster.

local partition, meta, events, ids, index = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local name, caller_clock, caller_newest = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])

-- A seq is a time: milliseconds since 1970 times this, plus a counter. Lua's numbers are exact up to 2^53, which is
-- reached in the year 2109.
local IN_A_MS = 2048
local MAX_SEQ = 9007199254740991
-- By how much clocks may differ, in milliseconds, for what a lost primary gave out not to be given out again.
local CLOCKS_DIFFER = 60000
-- How `{"seq":` counts in an event's wire form.
local HEAD_BYTES = 7

local function text(number)
  return string.format('%.0f', number)
end

-- A seq as the id of an entry, and back.
local function entry_id(seq)
  return text(math.floor(seq / IN_A_MS)) .. '-' .. text(seq % IN_A_MS)
end

local function seq_of(id)
  local ms, n = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(ms) * IN_A_MS + tonumber(n)
end

local function entry_bytes(seq, json)
  return HEAD_BYTES + #text(seq) + #json
end

local function clock()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

-- Names the history of writes that this Redis goes on with. It is another one from the moment on when writes that were
-- answered may be missing: after a replica was promoted, after a restart that may have lost the last ones, and when the
-- caller has seen a seq that this Redis has not.
local function generation()
  local info = redis.call('INFO', 'replication')
  if not string.find(info, 'role:master', 1, true) then
    return nil, redis.error_reply('READONLY this Redis is a replica, and another one is the primary')
  end
  local history = string.match(info, 'master_replid:(%x+)')
  local known = redis.call('HMGET', partition, 'history', 'generation', 'newest')
  local newest = tonumber(known[3] or '0')
  local is_short = caller_newest > newest
  if known[1] == history and not is_short then
    return known[2]
  end
  -- A primary that starts again has a new history, too, and none before; a promoted replica has its primary's.
  local was_restarted = known[1] and string.find(info, 'master_replid2:' .. string.rep('0', 40), 1, true)
  local named = known[2]
  if is_short or not (was_restarted and ARGV[4] == '1') then
    named = history .. ':' .. text(clock())
  end
  redis.call('HSET', partition, 'history', history, 'generation', named, 'newest', text(math.max(newest, caller_newest)))
  return named
end

-- Tells whoever listens that the stream has changed, and where its head was before. A listener that finds a number missing
-- has missed a change.
local function changed(stream)
  redis.call('HSET', partition, 'newest', text(math.max(stream.head, tonumber(redis.call('HGET', partition, 'newest')))))
  local changes = redis.call('HINCRBY', partition, 'changes', 1)
  redis.call('SPUBLISH', partition, text(changes) .. ' ' .. text(stream.before) .. ' ' .. name)
end

local function save(stream)
  redis.call('HSET', meta, 'epoch', stream.epoch, 'head', text(stream.head), 'trimmed', text(stream.trimmed),
    'ended', stream.ended, 'events', text(stream.events), 'bytes', text(stream.bytes),
    'generation', stream.generation, 'holes', stream.holes)
end

-- The stream; if there is none, a new one with `create`, otherwise nothing. Or an error as the second result.
local function open(create)
  local current, refused = generation()
  if refused then
    return nil, refused
  end
  if ARGV[6] == '1' then
    redis.call('HSET', partition, 'generation', current)
  end
  local known = redis.call('HMGET', meta, 'epoch', 'head', 'trimmed', 'ended', 'events', 'bytes', 'generation', 'holes')
  local exists = known[1]
  -- Evicted, or deleted by hand: a history that is lost, nobody can say how much of it.
  if exists and known[5] ~= '0' and redis.call('EXISTS', events, ids) < 2 then
    exists = false
  end
  if not exists then
    if not create then
      return nil
    end
    redis.call('DEL', events, ids)
    redis.call('ZADD', index, 0, name)
    local stream = { epoch = ARGV[5], head = 0, trimmed = 0, ended = '0', events = 0, bytes = 0, generation = current,
      holes = '', before = 0 }
    save(stream)
    return stream
  end
  local stream = { epoch = known[1], head = tonumber(known[2]), trimmed = tonumber(known[3]), ended = known[4],
    events = tonumber(known[5]), bytes = tonumber(known[6]), generation = known[7], holes = known[8], before = tonumber(known[2]) }
  if stream.generation ~= current then
    stream.generation = current
    -- What came after the head may be missing, up to the last seq that can have been given. It is named, so that nobody
    -- takes it for nothing, and no seq in it is given again. What has ended had nothing after it.
    if stream.ended == '0' then
      local given = math.max(clock(), caller_clock) + CLOCKS_DIFFER
      local upto = math.min(math.max(given * IN_A_MS, caller_newest, stream.head), MAX_SEQ)
      if upto > stream.head then
        stream.holes = stream.holes .. text(stream.head) .. '-' .. text(upto) .. ' '
        stream.head = upto
      end
    end
    save(stream)
    changed(stream)
  end
  return stream
end

-- Takes out up to `most` of the oldest events, as far as retention wants it as of `now`. Whether it took any.
local function trim(stream, now, most_events, most_bytes, most_age, most)
  local function exceeded(stored_at)
    return (most_events and stream.events > most_events)
      or (most_bytes and stream.events > 1 and stream.bytes > most_bytes)
      or (most_age and now - stored_at > most_age)
  end
  local upto, taken, from = nil, 0, '-'
  local is_over = not (most_events or most_bytes or most_age)
  while not is_over do
    local page = redis.call('XRANGE', events, from, '+', 'COUNT', 100)
    is_over = #page < 100
    for _, entry in ipairs(page) do
      local id, json, stored_at = entry[2][2], entry[2][4], tonumber(entry[2][6])
      if taken >= most or not exceeded(stored_at) then
        is_over = true
        break
      end
      upto, taken, from = seq_of(entry[1]), taken + 1, '(' .. entry[1]
      stream.events = stream.events - 1
      stream.bytes = stream.bytes - entry_bytes(upto, json)
      redis.call('HDEL', ids, id)
    end
  end
  if not upto then
    return false
  end
  redis.call('XTRIM', events, 'MINID', entry_id(upto + 1))
  stream.trimmed = upto
  -- What is trimmed is gone anyway.
  stream.holes = string.gsub(stream.holes, '%d+%-(%d+) ', function(hole)
    if tonumber(hole) <= upto then
      return ''
    end
  end)
  return true
end

local function described(stream)
  return { stream.epoch, stream.head, stream.trimmed, stream.ended, stream.events, stream.bytes }
end
