-- Forgets consumers of a partition who were saved before a moment, the longest silent first.
-- KEYS: 1 who was saved when (sorted set). The keys of the streams and consumers that it names are made here: all have the
-- partition's hash tag. ARGV: 1 before when, 2 how many at the most, 3 what the partition's keys begin with.
-- Answers how many.
local gone = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '(' .. ARGV[1], 'LIMIT', 0, ARGV[2])
for _, member in ipairs(gone) do
  -- A stream's name has no NUL, and a consumer's has none; a subject may.
  local stream, who = string.match(member, '^(%Z*)%z(.*)$')
  local subject, consumer = string.match(who, '^(.*)%z(%Z*)$')
  redis.call('HDEL', ARGV[3] .. 'states:' .. stream, who)
  redis.call('HDEL', ARGV[3] .. 'claims:' .. stream, who)
  redis.call('ZREM', ARGV[3] .. 'consumers:' .. stream, who)
  redis.call('ZREM', ARGV[3] .. 'streams-of:' .. consumer, stream .. '\0' .. subject)
  redis.call('ZREM', KEYS[1], member)
end
return #gone
