// What the drivers of the families share; backend.cpp defines it.
#pragma once
#include <string>

#include "gems/backend_abi.h"

namespace gems::cpu {

extern const gems_host* host;
int isa();  // the instruction set that runs, as an index into the compiled ones, lowest first

// Both set the text of last_error().
gems_status unsupported(const char* why);
gems_status failed(const std::string& why);

gems_status run_matmul(const gems_call* call);

}  // namespace gems::cpu
