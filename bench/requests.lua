-- Requests from a file, one a line: method, blank, presigned path. At random or in order.
--   wrk … -s requests.lua URL -- FILE random|ordered SEED BODY_BYTES
local methods, paths = {}, {}
local order, body
local at = 0

function init(args)
  for line in io.lines(args[1]) do
    local method, path = line:match("^(%u+) (.+)$")
    methods[#methods + 1] = method
    paths[#paths + 1] = path
  end
  order = args[2]
  math.randomseed(tonumber(args[3]))
  local bytes = tonumber(args[4])
  if bytes > 0 then
    local parts = {}
    for i = 1, math.min(bytes, 65536) do parts[i] = string.char(math.random(0, 255)) end
    local block = table.concat(parts)
    body = string.rep(block, math.ceil(bytes / #block)):sub(1, bytes)
  end
end

function request()
  if order == "ordered" then at = at % #paths + 1 else at = math.random(#paths) end
  local method = methods[at]
  return wrk.format(method, paths[at], nil, method == "PUT" and body or nil)
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format('RESULT {"requests":%d,"durationUs":%d,"bytes":%d,"status":%d,"connect":%d,"read":%d,"write":%d,"timeout":%d,"p50Us":%d,"p99Us":%d}\n',
    summary.requests, summary.duration, summary.bytes, errors.status, errors.connect, errors.read, errors.write, errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
