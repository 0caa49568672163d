#include "core/registry.h"

#include <cstring>

#include "op_hash.h"

#include "op_table.inc"

namespace {
enum {
#define GEMS_ENUM(n, header) kId_##n,
  GEMS_OPS(GEMS_ENUM)
#undef GEMS_ENUM
      kOpCount
};

#define GEMS_ROW(n, header)                   \
  {#n,                                        \
   header,                                    \
   op::n::decl.aten,                          \
   op::n::decl.types,                         \
   op::n::decl.choices,                       \
   op::n::decl.missing,                       \
   op::n::decl.roles,                         \
   op::n::decl.schema,                        \
   op::n::decl.doc,                           \
   op::n::decl.t.rel,                         \
   op::n::decl.t.abs,                         \
   op::n::decl.samples.lo,                    \
   op::n::decl.samples.hi,                    \
   op::n::decl.nopromote,                     \
   kId_##n,                                   \
   static_cast<uint8_t>(op::n::decl.fam),     \
   static_cast<uint8_t>(op::n::decl.dtype),   \
   static_cast<uint8_t>(op::n::decl.in),      \
   static_cast<uint8_t>(op::n::decl.par),     \
   static_cast<uint8_t>(op::n::decl.out),     \
   static_cast<uint8_t>(op::n::decl.wide),    \
   static_cast<uint8_t>(op::n::decl.promote), \
   static_cast<uint8_t>(op::n::decl.slots)},
constinit const gems_op_info kOps[] = {GEMS_OPS(GEMS_ROW)};
#undef GEMS_ROW
}  // namespace

namespace gems {

int op_count() { return kOpCount; }
const gems_op_info* op_at(int id) { return &kOps[id]; }
const gems_op_info* op_find(const char* name) {
  for (const gems_op_info& op : kOps)
    if (std::strcmp(op.name, name) == 0) return &op;
  return nullptr;
}
const char* op_table_hash() { return GEMS_OP_TABLE_HASH; }

const char* family_name(family f) {
  static const char* const names[] = {"pointwise", "reduce", "row",    "scan", "index",   "create", "copy",
                                      "matmul",    "fused",  "random", "sort", "compact", "map"};
  return names[static_cast<int>(f)];
}

}  // namespace gems
