// The operator table: derived from ops/*/*.op.h at build time, constant at run time.
#pragma once
#include "core/base.h"

namespace gems {

GEMS_API int op_count();
GEMS_API const gems_op_info* op_at(int id);              // 0 <= id < op_count()
GEMS_API const gems_op_info* op_find(const char* name);  // nullptr if unknown; cold
GEMS_API const char* op_table_hash();

GEMS_API const char* family_name(family f);

inline family op_family(const gems_op_info* op) { return static_cast<family>(op->family); }
inline rule op_rule(const gems_op_info* op) { return static_cast<rule>(op->rule); }

}  // namespace gems
