// Planner of the sort family: lines of up to 4096 elements sorted by one block, up to 4096 or one element
// selected of longer ones, running maxima. What else the family has (sorting longer lines, 64-bit keys, unique, isin, search, compaction) is left to the native kernels.
#include <string.h>

#include "backends/cuda/jit.h"
#include "gems/op.h"
#include "kernels/simt/sort_args.cuh"

namespace gems::cuda {
namespace {

constexpr int64_t kMostSorted = 4096;  // kernels/simt/sort.cuh: 32 KiB of shared memory

const char* key_type(int dtype) {
  switch (dtype) {
    case GEMS_BOOL: return "gems::BoolKey";
    case GEMS_U8: return "gems::IntKey<unsigned char, gems::u32, false>";
    case GEMS_I8: return "gems::IntKey<unsigned char, gems::u32, true>";
    case GEMS_I16: return "gems::IntKey<unsigned short, gems::u32, true>";
    case GEMS_I32: return "gems::IntKey<gems::u32, gems::u32, true>";
    case GEMS_F16: return "gems::FloatKey<unsigned short, gems::u32, 0x7c00>";
    case GEMS_BF16: return "gems::FloatKey<unsigned short, gems::u32, 0x7f80>";
    case GEMS_F32: return "gems::FloatKey<gems::u32, gems::u32, 0x7f800000u>";
    default: return nullptr;
  }
}

}  // namespace

gems_status run_sort(const gems_call* c) {
  const char role = c->op->roles[0];
  if (!strchr("stnc", role)) return unsupported("not built for CUDA yet");
  const gems_tensor& in = c->t[2];
  const char* key = key_type(in.dtype);
  if (!key) return unsupported("64-bit keys");
  const gems_iter& it = c->it;
  const int line = it.ndim - 1;
  if (line > simt::kMaxKept) return unsupported("more dimensions than the kernel takes");
  simt::LinesArgs a{};
  a.n = a.m = it.size[line];
  const bool runs = role == 'c';
  if (role == 't') a.m = c->par[0].i;
  const bool selects = !runs && a.n > kMostSorted;
  if (selects && (role == 's' || a.m > kMostSorted) && role != 'n') return unsupported("more than 4096 elements in order");
  if (a.n > INT32_MAX) return unsupported("lines of more than 2^31 elements");
  a.values = c->t[0].data;
  a.indices = c->t[1].data;
  a.in = in.data;
  a.kept.ndim = line;
  a.kept.rows = 1;
  for (int d = 0; d < line; d++) {
    a.kept.size[d] = it.size[d];
    a.kept.rows *= it.size[d];
    for (int k = 0; k < 3; k++) a.kept.stride[k][d] = it.stride[k][d];
  }
  for (int k = 0; k < 3; k++) a.step[k] = it.stride[k][line];
  a.k = c->par[0].i;
  a.flag = static_cast<int>(role == 't' || role == 'n' ? c->par[1].i : c->par[0].i);
  if (a.kept.rows == 0 || a.n == 0) return GEMS_OK;
  const Device* dev = device_of(c);
  if (!dev) return GEMS_UNSUPPORTED;
  int block = 64;  // two elements a thread of the network, up to 1024 threads
  while (block < 1024 && block * 2 < a.n) block *= 2;
  const int mode = runs ? 4 : (role == 'n') | selects << 1;
  const KernelKey id{
      {static_cast<uint64_t>(c->op->family) << 56 | static_cast<uint64_t>(mode), static_cast<uint64_t>(in.dtype), 0}};
  const Kernel* k = kernel_for(dev, id, [&] {
    KernelSource src;
    src.headers = "#include \"kernels/simt/sort.cuh\"\n";
    src.attributes = "__launch_bounds__(1024)";
    src.args_type = "gems::simt::LinesArgs";
    src.body = std::string("gems::simt::") +
               (runs ? std::string("running_lines<") + key
                     : std::string(selects ? "select_lines<" : "sort_lines<") + key + ", " + std::to_string(mode & 1)) +
               ">(a);";
    src.block = 1024;
    src.start = KernelSource::Start::overlapping;
    src.args_size = sizeof a;
    return src;
  });
  if (!k) return GEMS_UNSUPPORTED;
  const int64_t grid = a.kept.rows < (1 << 20) ? a.kept.rows : 1 << 20;
  return launch(c, k, static_cast<unsigned>(grid), 1, 1, static_cast<unsigned>(block), 0, &a);
}

}  // namespace gems::cuda
