-- Where the stream stands. ARGV 7: what to do with it: 'find' it, 'create' it if there is none, or 'end' it.
-- Answers {epoch, head, trimmed, ended, events, bytes}, or nothing if there is no such stream.
local stream, refused = open(ARGV[7] ~= 'find')
if refused then
  return refused
end
if not stream then
  return false
end
if ARGV[7] == 'end' and stream.ended == '0' then
  stream.ended = '1'
  save(stream)
end
if ARGV[7] == 'end' then
  changed(stream)
end
return described(stream)
