-- Reads a range of a stream: ARGV 1 after, 2 up to, 3 most events, 4 most bytes (one event is always allowed).
-- KEYS as of the scripts that change a stream: 1 what is known of it, 2 its events.
-- Answers {{epoch, head, trimmed, ended, events, bytes}, holes, whether the limit cut it, [seq, JSON after `{"seq":…`,
-- ...]}, or nothing if there is no such stream. It costs as much as what it answers, however long the stream is.
local IN_A_MS = 2048
-- Entries that are fetched at a time at first; then as many as there are already, so that few are fetched in vain.
local PAGE = 16

local known = redis.call('HMGET', KEYS[1], 'epoch', 'head', 'trimmed', 'ended', 'events', 'bytes', 'holes')
if not known[1] then
  return false
end
local function entry_id(seq)
  return string.format('%.0f-%.0f', math.floor(seq / IN_A_MS), seq % IN_A_MS)
end
local from, upto = '(' .. entry_id(tonumber(ARGV[1])), entry_id(tonumber(ARGV[2]))
local most_events, most_bytes = tonumber(ARGV[3]), tonumber(ARGV[4])
local answer, read, bytes, is_cut, is_over = {}, 0, 0, 0, false
while not is_over do
  local count = math.min(math.max(PAGE, read), 1000)
  local page = redis.call('XRANGE', KEYS[2], from, upto, 'COUNT', count)
  is_over = #page < count
  for _, entry in ipairs(page) do
    local ms, n = string.match(entry[1], '^(%d+)-(%d+)$')
    local seq = string.format('%.0f', tonumber(ms) * IN_A_MS + tonumber(n))
    bytes = bytes + 7 + #seq + #entry[2][4]
    if read > 0 and (read >= most_events or bytes > most_bytes) then
      is_cut, is_over = 1, true
      break
    end
    read = read + 1
    answer[2 * read - 1] = seq
    answer[2 * read] = entry[2][4]
    from = '(' .. entry[1]
  end
end
local stands = { known[1], tonumber(known[2]), tonumber(known[3]), known[4], tonumber(known[5]), tonumber(known[6]) }
return { stands, known[7], is_cut, answer }
