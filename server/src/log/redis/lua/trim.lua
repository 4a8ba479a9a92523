-- Trims the stream as of ARGV 7 (milliseconds since 1970). ARGV from 8: most events, most bytes, most age
-- (milliseconds) that it keeps, each empty for no bound; most events to trim. Answers 1 if it took any.
local stream, refused = open(false)
if refused then
  return refused
end
local now, most = tonumber(ARGV[7]), tonumber(ARGV[11])
if not stream or not trim(stream, now, tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10]), most) then
  return 0
end
save(stream)
changed(stream)
return 1
