-- Keeps what became of events for consumers. KEYS: 1 the partition, 2 who was saved when (sorted set); then for each
-- consumer 3 their states (hash), 4 their names in order (sorted set), 5 the streams of its name (sorted set).
-- ARGV: 1 the caller's clock; then for each consumer the stream, its subject, its name and its state.
local FIELD = '\0'
-- Written in any case: a WAIT on this connection waits for it.
local key = 3
for at = 2, #ARGV, 4 do
  local stream, subject, consumer, state = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  local who = subject .. FIELD .. consumer
  redis.call('HSET', KEYS[key], who, state)
  redis.call('ZADD', KEYS[key + 1], 0, who)
  redis.call('ZADD', KEYS[key + 2], 0, stream .. FIELD .. subject)
  redis.call('ZADD', KEYS[2], ARGV[1], stream .. FIELD .. who)
  key = key + 3
end
return redis.status_reply('OK')
