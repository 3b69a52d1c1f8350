-- Loaded by wrk: counts answers other than 200, and prints one line of JSON in the end. Latencies are in milliseconds.
local threads = {}

function setup(thread) threads[#threads + 1] = thread end

function init() others = 0 end

function response(status)
  if status ~= 200 then others = others + 1 end
end

local function ms(microseconds) return string.format('%.3f', microseconds / 1000) end

function done(summary, latency)
  local failed = summary.errors
  local not_200 = 0
  for _, thread in ipairs(threads) do not_200 = not_200 + thread:get('others') end
  io.write(string.format(
    '{"requests": %d, "seconds": %.6f, "p50_ms": %s, "p90_ms": %s, "p99_ms": %s, "max_ms": %s, ' ..
    '"not_200": %d, "connect_errors": %d, "read_errors": %d, "write_errors": %d, "timeouts": %d}\n',
    summary.requests, summary.duration / 1e6, ms(latency:percentile(50)), ms(latency:percentile(90)),
    ms(latency:percentile(99)), ms(latency.max), not_200, failed.connect, failed.read, failed.write, failed.timeout))
end
