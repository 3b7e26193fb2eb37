-- A script for wrk: GETs of /bench/NNNNNNN with uniformly chosen paths. Counts the requests of each.
--
--   wrk … -s hits.lua URL -- FILE PATHS STRIDE SEED
--
-- The name of path number i is i * STRIDE. FILE gets an array of PATHS 32-bit numbers for each
-- thread: the requests that it has made, answered or not. So it may exceed the stored hits by at most
-- the requests in flight. The result of wrk is a line of JSON after "RESULT ".
--
-- Making a request is a look-up in a table or, with many paths, a concatenation. wrk -t1 can make
-- several times as many requests as it can send.

local ffi = require "ffi"

ffi.cdef [[
int open(const char *path, int flags, ...);
int close(int fd);
int ftruncate(int fd, int64_t length);
void *mmap(void *address, size_t length, int protection, int flags, int fd, int64_t offset);
]]
local O_RDWR, PROT_READ_WRITE, MAP_SHARED = 2, 3, 1

local PREPARED = 10000 -- so many paths have their request prepared

local threads = 0

function setup(thread)
   threads = threads + 1
   thread:set("number", threads)
end

local function share(file, paths)
   local fd = ffi.C.open(file .. "." .. number, O_RDWR)
   assert(fd >= 0, "the file of counts cannot be opened")
   local address = ffi.C.mmap(nil, 4 * paths, PROT_READ_WRITE, MAP_SHARED, fd, 0)
   assert(ffi.cast("intptr_t", address) ~= -1, "the file of counts cannot be mapped")
   ffi.C.close(fd)
   return ffi.cast("uint32_t *", address)
end

function init(args)
   local file, seed = args[1], tonumber(args[4])
   local paths, stride = tonumber(args[2]), tonumber(args[3])
   local sent = share(file, paths)
   local template = wrk.format("GET", "/bench/0000000")
   local at = template:find("0000000", 1, true)
   local before, after = template:sub(1, at - 1), template:sub(at + 7)
   local random, format = math.random, string.format
   local prepared = {}
   -- wrk calls the first thread's request() once before it begins, to look at it
   local skip = number == 1

   math.randomseed(seed * 1009 + number)
   if paths <= PREPARED then
      for i = 0, paths - 1 do
         prepared[i] = before .. format("%07d", i * stride) .. after
      end
   end

   local function count(i)
      if skip then
         skip = false
      else
         sent[i] = sent[i] + 1
      end
   end

   if paths <= PREPARED then
      request = function()
         local i = random(0, paths - 1)
         count(i)
         return prepared[i]
      end
   else
      request = function()
         local i = random(0, paths - 1)
         count(i)
         return before .. format("%07d", i * stride) .. after
      end
   end
end

function done(summary, latency, requests)
   local errors = summary.errors
   print(string.format(
      'RESULT {"requests": %d, "seconds": %.6f, "bytes": %d, "status": %d, "connect": %d, ' ..
      '"read": %d, "write": %d, "timeout": %d, "p50_us": %d, "p99_us": %d}',
      summary.requests, summary.duration / 1e6, summary.bytes, errors.status, errors.connect,
      errors.read, errors.write, errors.timeout, latency:percentile(50), latency:percentile(99)))
end
