#!lua flags=allow-oom
-- What is known of a consumer of a stream, for who has taken it: from now on nothing is saved under an older fence.
-- KEYS: 1 under which fence each consumer of the stream was claimed (hash: consumer -> '<fence> <version> <0|1>'), 2 their
-- states (hash). ARGV: 1 the consumer, 2 the fence.
-- Answers {1 or 0 if a newer one has claimed it, the state if there is one}.
local claim = redis.call('HGET', KEYS[1], ARGV[1])
if claim and tonumber(string.match(claim, '^%d+')) > tonumber(ARGV[2]) then
  return { 0 }
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ' 0 0')
return { 1, redis.call('HGET', KEYS[2], ARGV[1]) }
