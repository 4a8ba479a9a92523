#!lua flags=allow-oom
-- Has saves of a partition told for a while. KEYS: 1 the partition. ARGV: 1 for how long, in milliseconds.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
redis.call('HSET', KEYS[1], 'expected', string.format('%.0f', now + tonumber(ARGV[1])))
return redis.status_reply('OK')
