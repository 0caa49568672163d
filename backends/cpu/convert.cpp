// Picks the block converter of the running instruction set.
#include "backends/cpu/driver.h"

#define GEMS_DECLARE(isa) extern "C" const gems_convert_table gems_convert_##isa;
GEMS_FOR_EACH_ISA(GEMS_DECLARE)
#undef GEMS_DECLARE

namespace gems::cpu {

gems_convert_fn convert_fn(int src_dtype, int dst_dtype) {
#define GEMS_ADDRESS(isa) &gems_convert_##isa,
  static constexpr const gems_convert_table* tables[] = {GEMS_FOR_EACH_ISA(GEMS_ADDRESS)};
#undef GEMS_ADDRESS
  if ((unsigned)src_dtype >= GEMS_CONVERT_DTYPES || (unsigned)dst_dtype >= GEMS_CONVERT_DTYPES) return nullptr;
  return tables[isa()]->fn[src_dtype][dst_dtype];
}

}  // namespace gems::cpu
