-- Requests from a file of presigned paths, one a line, taken at random or in order.
--   wrk … -s presigned.lua URL -- FILE METHOD random|ordered SEED BODY_BYTES
local paths = {}
local method, order, body
local at = 0

function init(args)
  for line in io.lines(args[1]) do paths[#paths + 1] = line end
  method, order = args[2], args[3]
  math.randomseed(tonumber(args[4]))
  local bytes = tonumber(args[5])
  if bytes > 0 then
    local parts = {}
    for i = 1, math.min(bytes, 65536) do parts[i] = string.char(math.random(0, 255)) end
    local block = table.concat(parts)
    body = string.rep(block, math.ceil(bytes / #block)):sub(1, bytes)
  end
end

function request()
  local path
  if order == "ordered" then
    at = at % #paths + 1
    path = paths[at]
  else
    path = paths[math.random(#paths)]
  end
  return wrk.format(method, path, nil, body)
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format('RESULT {"requests":%d,"durationUs":%d,"bytes":%d,"status":%d,"connect":%d,"read":%d,"write":%d,"timeout":%d,"p50Us":%d,"p99Us":%d}\n',
    summary.requests, summary.duration, summary.bytes, errors.status, errors.connect, errors.read, errors.write, errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
