"""What the server does whole or not at all, in Lua. The only place that knows its keys.

Below ``crew-rush:{NETWORK}:``, lists but for those noted:

    meta (hash) values (hash)          of the network: its era; what is kept under names
    all queue finished failed          keys of tasks, in order
    running (sorted set)               by when they began
    pending (hash)                     worker's id: key
    t:KEY (hash)                       state, worker, attempt, and fields as f:NAME
    workers                            ids, in the order in which they came first
    w:ID (hash)  w:ID:running (sorted set)
    leases (sorted set)                running workers by when they are lost without a sign of life
    log  batches (set)
"""

from __future__ import annotations

_PRELUDE = """
local function k(name) return ARGV[1] .. name end
local function now()
  local time = redis.call('TIME')
  return tonumber(time[1]) + tonumber(time[2]) / 1000000
end
local function is_running(id, life)
  local found = redis.call('HMGET', k('w:' .. id), 'life', 'state')
  return found[1] == life and found[2] == 'running'
end
local function fail(key, condition)
  redis.call('HSET', k('t:' .. key), 'state', 'failed', 'f:condition', condition)
  redis.call('RPUSH', k('failed'), key)
end
local function stop_running(key)
  redis.call('ZREM', k('running'), key)
  local id = redis.call('HGET', k('t:' .. key), 'worker')
  if id and id ~= '' then redis.call('ZREM', k('w:' .. id .. ':running'), key) end
end
local function forsake(id, condition)
  local pending = redis.call('HGET', k('pending'), id)
  if pending then
    redis.call('HDEL', k('pending'), id)
    redis.call('HSET', k('t:' .. pending), 'state', 'queued', 'worker', '')
    redis.call('LPUSH', k('queue'), pending)
  end
  for _, key in ipairs(redis.call('ZRANGE', k('w:' .. id .. ':running'), 0, -1)) do
    redis.call('ZREM', k('running'), key)
    fail(key, condition)
  end
  redis.call('DEL', k('w:' .. id .. ':running'))
end
local function end_worker(id, state, reason)
  redis.call('HSET', k('w:' .. id), 'state', state, 'reason', reason)
  redis.call('ZREM', k('leases'), id)
  forsake(id, 'tits worker was ' .. state .. ': ' .. reason)
end
local function lose_overdue()
  local late = redis.call('ZRANGEBYSCORE', k('leases'), '-inf', now())
  if #late == 0 then return end
  -- While the server was away nobody could give a sign of life.
  local up = tonumber(string.match(redis.call('INFO', 'server'), 'uptime_in_seconds:(%d+)'))
  for _, id in ipairs(late) do
    local seconds = redis.call('HGET', k('w:' .. id), 'expire')
    if up > tonumber(seconds) then
      end_worker(id, 'lost', 'not heard of for ' .. seconds .. ' s')
    end
  end
end
-- Fields of a task begin at a position: how many there are, then names and values.
local function read_fields(at)
  local fields = {}
  local count = tonumber(ARGV[at])
  for i = at + 1, at + 2 * count, 2 do
    fields[#fields + 1] = 'f:' .. ARGV[i]
    fields[#fields + 1] = ARGV[i + 1]
  end
  return fields, at + 1 + 2 * count
end
local function serial() return redis.call('HINCRBY', k('meta'), 'serial', 1) end
local function add_running(key, id)
  local number = serial()
  redis.call('ZADD', k('running'), number, key)
  if id ~= '' then redis.call('ZADD', k('w:' .. id .. ':running'), number, key) end
end
"""

_NETWORK = """
if redis.call('EXISTS', k('meta')) == 0 then return redis.error_reply('NONETWORK') end
"""

_WORKER = """
lose_overdue()
if ARGV[2] ~= '' and not is_running(ARGV[2], ARGV[3]) then return redis.error_reply('GONE') end
"""

_BODIES = {
    # ARGV: prefix, protocol, create, era
    "attach": """
if redis.call('EXISTS', k('meta')) == 1 then
  return redis.call('HGET', k('meta'), 'protocol')
end
if ARGV[3] ~= '1' then return redis.error_reply('NONETWORK') end
redis.call('HSET', k('meta'), 'protocol', ARGV[2], 'era', ARGV[4])
return ARGV[2]
""",
    # prefix, era
    "reset_data": """
if redis.call('HGET', k('meta'), 'era') == ARGV[2] then return 0 end
redis.call('HSET', k('meta'), 'era', ARGV[2])
for _, key in ipairs(redis.call('LRANGE', k('all'), 0, -1)) do
  redis.call('UNLINK', k('t:' .. key))
end
for _, id in ipairs(redis.call('LRANGE', k('workers'), 0, -1)) do
  redis.call('UNLINK', k('w:' .. id .. ':running'))
end
for _, name in ipairs({'all', 'queue', 'pending', 'running', 'finished', 'failed', 'log',
    'batches'}) do
  redis.call('UNLINK', k(name))
end
return 1
""",
    # prefix
    "reset": """
for _, key in ipairs(redis.call('LRANGE', k('all'), 0, -1)) do
  redis.call('UNLINK', k('t:' .. key))
end
for _, id in ipairs(redis.call('LRANGE', k('workers'), 0, -1)) do
  redis.call('UNLINK', k('w:' .. id), k('w:' .. id .. ':running'))
end
for _, name in ipairs({'all', 'queue', 'pending', 'running', 'finished', 'failed', 'log',
    'batches', 'workers', 'leases', 'values', 'meta'}) do
  redis.call('UNLINK', k(name))
end
return 1
""",
    # prefix, name, value
    "set_value": "redis.call('HSET', k('values'), ARGV[2], ARGV[3]) return 1",
    # prefix, name
    "get_value": "return redis.call('HGET', k('values'), ARGV[2])",
    # prefix, worker's id, its life, state, then key and fields of each task
    "push": """
local at = 5
local list = {queued = 'queue', finished = 'finished', failed = 'failed'}
while at <= #ARGV do
  local key = ARGV[at]
  local fields
  fields, at = read_fields(at + 1)
  if redis.call('EXISTS', k('t:' .. key)) == 0 then
    redis.call('HSET', k('t:' .. key), 'state', ARGV[4], 'worker', ARGV[2], unpack(fields))
    redis.call('RPUSH', k('all'), key)
    if ARGV[4] == 'running' then
      add_running(key, ARGV[2])
    else
      redis.call('RPUSH', k(list[ARGV[4]]), key)
    end
  end
end
return 1
""",
    # prefix, worker's id, its life
    "pop": """
local key = redis.call('HGET', k('pending'), ARGV[2])
if not key then
  key = redis.call('LPOP', k('queue'))
  if not key then return false end
  redis.call('HSET', k('pending'), ARGV[2], key)
  redis.call('HSET', k('t:' .. key), 'state', 'pending', 'worker', ARGV[2])
end
return {key, redis.call('HGETALL', k('t:' .. key))}
""",
    # prefix, worker's id, its life, key
    "begin": """
if not is_running(ARGV[2], ARGV[3]) then return 0 end
local found = redis.call('HMGET', k('t:' .. ARGV[4]), 'state', 'worker')
if found[2] ~= ARGV[2] then return 0 end
if found[1] == 'pending' then
  redis.call('HDEL', k('pending'), ARGV[2])
  redis.call('HSET', k('t:' .. ARGV[4]), 'state', 'running')
  add_running(ARGV[4], ARGV[2])
  return 1
end
return found[1] == 'running' and 1 or 0
""",
    # prefix, state, attempt, then key and fields of each task
    "decide": """
lose_overdue()
local at, decided = 4, {}
while at <= #ARGV do
  local key = ARGV[at]
  local fields
  fields, at = read_fields(at + 1)
  local found = redis.call('HMGET', k('t:' .. key), 'state', 'attempt')
  if found[1] == 'running' then
    stop_running(key)
    redis.call('HSET', k('t:' .. key), 'state', ARGV[2], 'attempt', ARGV[3], unpack(fields))
    redis.call('RPUSH', k(ARGV[2]), key)
    decided[#decided + 1] = 1
  else
    decided[#decided + 1] = (found[1] == ARGV[2] and found[2] == ARGV[3]) and 1 or 0
  end
end
return decided
""",
    # prefix, condition
    "empty_queue": """
local keys = redis.call('LRANGE', k('queue'), 0, -1)
redis.call('DEL', k('queue'))
for _, key in ipairs(keys) do fail(key, ARGV[2]) end
return #keys
""",
    # prefix
    "counts": """
lose_overdue()
return {
  redis.call('LLEN', k('queue')), redis.call('HLEN', k('pending')),
  redis.call('ZCARD', k('running')), redis.call('LLEN', k('finished')),
  redis.call('LLEN', k('failed')), redis.call('LLEN', k('workers')),
  redis.call('ZCARD', k('leases')),
}
""",
    # prefix, state or ''
    "keys": """
lose_overdue()
if ARGV[2] == 'pending' then return redis.call('HVALS', k('pending')) end
if ARGV[2] == 'running' then return redis.call('ZRANGE', k('running'), 0, -1) end
local list = {[''] = 'all', queued = 'queue', finished = 'finished', failed = 'failed'}
return redis.call('LRANGE', k(list[ARGV[2]]), 0, -1)
""",
    # prefix, then keys
    "states": """
lose_overdue()
local states = {}
for i = 2, #ARGV do states[#states + 1] = redis.call('HGET', k('t:' .. ARGV[i]), 'state') end
return states
""",
    # prefix, then keys
    "read": """
local tasks = {}
for i = 2, #ARGV do tasks[#tasks + 1] = redis.call('HGETALL', k('t:' .. ARGV[i])) end
return tasks
""",
    # prefix, era, start, most bytes
    "read_finished": """
local era = redis.call('HGET', k('meta'), 'era')
local start = era == ARGV[2] and tonumber(ARGV[3]) or 0
local tasks, size, most = {}, 0, tonumber(ARGV[4])
local keys = redis.call('LRANGE', k('finished'), start, start + 1999)
for _, key in ipairs(keys) do
  local task = redis.call('HGETALL', k('t:' .. key))
  for _, part in ipairs(task) do size = size + #part end
  if #tasks > 0 and size > most then break end
  tasks[#tasks + 1] = {key, task}
end
return {era, tasks}
""",
    # prefix, id, life, what it says of itself, seconds
    "register": """
local found = redis.call('HMGET', k('w:' .. ARGV[2]), 'life', 'state')
if found[1] == ARGV[3] then return 0 end
if found[2] == 'running' then forsake(ARGV[2], 'tits worker was started anew') end
if not found[1] then redis.call('RPUSH', k('workers'), ARGV[2]) end
local at = now()
redis.call('DEL', k('w:' .. ARGV[2]))
redis.call('HSET', k('w:' .. ARGV[2]), 'life', ARGV[3], 'says', ARGV[4], 'expire', ARGV[5],
  'state', 'running', 'reason', '', 'heard', at, 'terminate', '0')
redis.call('ZADD', k('leases'), at + tonumber(ARGV[5]), ARGV[2])
return 1
""",
    # prefix, id, life
    "beat": """
local found = redis.call('HMGET', k('w:' .. ARGV[2]), 'life', 'state', 'terminate', 'expire')
if found[1] ~= ARGV[3] then return {0, 1, 1} end
if found[2] == 'running' then
  local at = now()
  redis.call('HSET', k('w:' .. ARGV[2]), 'heard', at)
  redis.call('ZADD', k('leases'), at + tonumber(found[4]), ARGV[2])
end
lose_overdue()
local running = found[2] == 'running'
return {running and 1 or 0, (found[3] == '1' or not running) and 1 or 0,
  found[2] == 'killed' and 1 or 0}
""",
    # prefix, id, life, state, reason
    "end_worker": """
if is_running(ARGV[2], ARGV[3]) then end_worker(ARGV[2], ARGV[4], ARGV[5]) end
return 1
""",
    # prefix, order, then ids
    "order": """
lose_overdue()
local running = {}
for i = 3, #ARGV do
  local id = ARGV[i]
  if redis.call('HGET', k('w:' .. id), 'state') == 'running' then
    running[#running + 1] = id
    if ARGV[2] == 'kill' then
      end_worker(id, 'killed', "stop_workers(type='kill')")
    else
      redis.call('HSET', k('w:' .. id), 'terminate', '1')
    end
  end
end
return running
""",
    # prefix
    "workers": """
lose_overdue()
local rows = {}
for _, id in ipairs(redis.call('LRANGE', k('workers'), 0, -1)) do
  rows[#rows + 1] = redis.call('HMGET', k('w:' .. id), 'says', 'state', 'heard', 'reason')
end
return rows
""",
    # prefix, batch, then events
    "add_log": """
if redis.call('SADD', k('batches'), ARGV[2]) == 0 then return 0 end
for i = 3, #ARGV do redis.call('RPUSH', k('log'), ARGV[i]) end
return 1
""",
    # prefix, start, most
    "read_log": """
local start = tonumber(ARGV[2])
return redis.call('LRANGE', k('log'), start, start + tonumber(ARGV[3]) - 1)
""",
}

_OF_WORKERS = {"push", "pop"}
_WITHOUT_NETWORK = {"attach", "reset"}


def prefix(network: str) -> str:
    """What all keys of a network begin with. In braces, so that a cluster keeps them together."""
    return f"crew-rush:{{{network}}}:"


def script(name: str) -> str:
    """The Lua of a script."""
    parts = [_PRELUDE]
    if name not in _WITHOUT_NETWORK:
        parts.append(_NETWORK)
    if name in _OF_WORKERS:
        parts.append(_WORKER)
    return "\n".join([*parts, _BODIES[name]])


NAMES = tuple(_BODIES)
"""Of all scripts."""
