// What every file of the core uses: the ABI, export marks, settings and logging.
#pragma once
#include <string>

#include "gems/backend_abi.h"
#include "gems/op.h"

#define GEMS_API __attribute__((visibility("default")))

namespace gems {

// The only reader of the environment. `name` is a full variable name ("GEMS_CACHE_DIR"); nullptr when unset or empty.
// Values are read once per name and kept: changing the environment later has no effect.
GEMS_API const char* setting(const char* name);
// What setting(name) gives when the environment doesn't say; no effect once the name was read.
GEMS_API void default_setting(const char* name, const std::string& value);

// level: 0 debug, 1 info, 2 warning, 3 error. Goes to stderr from GEMS_LOG_LEVEL (default 2) upwards.
GEMS_API void log(int level, const std::string& text);

}  // namespace gems
