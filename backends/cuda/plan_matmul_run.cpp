#include <string.h>

#include "backends/cuda/internal.h"
#include "backends/cuda/plan_matmul.h"

namespace gems::cuda {
namespace {

MatmulChoice choice_of_setting() {
  const char* s = host().setting ? host().setting("GEMS_MATMUL") : nullptr;
  if (!s || !*s || !strcmp(s, "auto")) return MatmulChoice::automatic;
  if (!strcmp(s, "own")) return MatmulChoice::own;
  if (!strcmp(s, "native")) return MatmulChoice::native;
  if (host().log) host().log(2, "GEMS_MATMUL is none of auto, own, native: taken as auto");
  return MatmulChoice::automatic;
}

}  // namespace

gems_status run_matmul(const gems_call* call) {
  static const MatmulChoice choice = choice_of_setting();
  const Device* dev = device_of(call);
  if (!dev) return GEMS_UNSUPPORTED;
  const bool own = choice == MatmulChoice::automatic && gems_own(call->candidate);
  const MatmulPlan p = plan_matmul(call, *dev, own ? MatmulChoice::own : choice);
  if (p.unsupported) return unsupported(p.unsupported);
  if (p.kernel == MatmulKernel::none) return GEMS_OK;
  const Kernel* k = kernel_for(dev, matmul_key(p), [&] { return matmul_source(p); });
  if (!k) return GEMS_UNSUPPORTED;
  return launch(call, k, p.grid_x, 1, p.grid_z, (unsigned)p.block, (unsigned)p.smem, &p.args);
}

}  // namespace gems::cuda
