#!lua flags=allow-oom
-- Gives consumers back. KEYS: 1 who has which consumer, as in take.lua. ARGV: 1 the server; then for each consumer its name
-- and the fence under which it was taken. What was taken by another one since stays.
for at = 2, #ARGV, 2 do
  local row = redis.call('HGET', KEYS[1], ARGV[at])
  local mine = ARGV[at + 1] .. ' ' .. ARGV[1] .. ' '
  if row and string.sub(row, 1, #mine) == mine then
    redis.call('HDEL', KEYS[1], ARGV[at])
  end
end
return redis.status_reply('OK')
